"""An engine's prices: measured here, remembered, given, or assumed from the model's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.plan.known.rates import EngineRate, Rates, engine_key
from hnlm_ray.plan.measure.step_cost import Call, fit_step_cost

_CORE_FLOPS, _CORE_BYTES = 4e10, 4e9
_GPU_FLOPS, _GPU_BYTES = 2e14, 1.2e12
"""Assumed: operations and bytes of memory a second, of a core and of a GPU of a data centre."""
_START_S: Final = {False: 40.0, True: 90.0}
_GIVEN_START_S: Final = 60.0
_PARAMETERS: Final = 1.35e8
_WEIGHT: Final = 2


@dataclass(frozen=True)
class KnownEngine:
    """An engine's prices, and how they were got in words; ``given``: tokens read and written a second, from outside."""

    rate: EngineRate
    source: str
    given: tuple[float, float] | None = None


def measured_engine(start_s: float, calls: Sequence[Call]) -> KnownEngine:
    """Return the prices that these requests tell."""
    cost = fit_step_cost(calls)
    rate = EngineRate(start_s=start_s, step_s=cost.step_s, request_s=cost.request_s, prompt_token_s=cost.prompt_token_s)
    return KnownEngine(rate, "time: measured here")


def known_engine(
    config: Config, rates: Rates, parameters: int | None, given: tuple[float, float] | None
) -> KnownEngine:
    """Return prices that are given, else remembered, else assumed."""
    if given is not None:
        read, write = given
        rate = EngineRate(start_s=_GIVEN_START_S, step_s=0, request_s=1 / write, prompt_token_s=1 / read)
        return KnownEngine(rate, f"time: at the given {read:g} tokens/s read and {write:g} written", given)
    rate_found = rates.engines.get(engine_key(config))
    if rate_found is not None:
        how = "an earlier run" if rate_found.source == "run" else "an earlier plan"
        return KnownEngine(rate_found, f"time: measured by {how} on {rate_found.day}")
    return KnownEngine(assumed_rate(config, parameters or int(_PARAMETERS)), "time: assumed from the model's size")


def assumed_rate(config: Config, parameters: int) -> EngineRate:
    """Assume that a step reads all weights from memory, and a token computes two operations a weight."""
    gpus = config.llm.gpus_per_engine
    if not engine_kind(config.llm).has_a_model:
        return EngineRate(start_s=0.0, step_s=0.0, request_s=0.0, prompt_token_s=0.0)
    units = gpus or config.llm.cpus_per_engine
    flops, moved = (_GPU_FLOPS, _GPU_BYTES) if gpus else (_CORE_FLOPS, _CORE_BYTES)
    token_s = 2 * parameters / (flops * units)
    return EngineRate(
        start_s=_START_S[bool(gpus)],
        step_s=_WEIGHT * parameters / (moved * units),
        request_s=token_s,
        prompt_token_s=token_s,
    )
