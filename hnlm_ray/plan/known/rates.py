"""Rates of engines, answers and trainings: measured here, remembered, given, or assumed from the model's size.

What earlier measurements and runs found lies in the cache folder under the machine's name, for rates of one say nothing
of another. A damaged file counts as none: everything in it can be measured again.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hnlm_ray.base.hashing import cache_folder, fingerprint_of
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.job import llm_identity
from hnlm_ray.plan.measure.step_cost import Call, StepCost, fit_step_cost


def machine_name(config: Config) -> str:
    """Name what a run computes on: the processor with its cores, and the GPUs if the engines use any.

    Of a cluster that is joined only the address is known here.
    """
    if config.ray.address != "local":
        return f"the cluster at {config.ray.address}"
    cpu = f"{_processor()} x {os.cpu_count() or 1}"
    return f"{_gpus()}, {cpu}" if config.llm.gpus_per_engine else cpu


@cache
def _processor() -> str:
    """Return the processor's name as Linux tells it; elsewhere what Python knows of it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _gpus() -> str:
    import torch

    count = torch.cuda.device_count()
    return f"{torch.cuda.get_device_name(0)} x {count}" if count else "no GPU"


log = logging.getLogger(__name__)
Price = Annotated[float, Field(ge=0, lt=1e6)]
Key = Annotated[str, Field(max_length=64)]
Source = Literal["measured", "run"]
_FILE: Final = "rates.json"
_LARGEST_FILE: Final = 2**24
_MOST: Final = 500
"""Entries of a kind; the oldest go first."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    source: Source = "measured"
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(
        default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d")
    )


class EngineRate(_Entry):
    """What an engine's time is made of, in seconds."""

    start_s: Price
    step_s: Price
    request_s: Price
    prompt_token_s: Price

    @property
    def cost(self) -> StepCost:
        """The prices of decoding."""
        return StepCost(self.step_s, self.request_s, self.prompt_token_s)


class AnswerRate(_Entry):
    """What the model answers to a prompt.

    ``tokens_out`` and ``attempts`` are those of the rows of a sample (all attempts of a row together); ``chars`` of
    the texts that it wrote, 0 where it wrote none.
    """

    tokens_out: Annotated[tuple[Annotated[float, Field(ge=0, lt=1e6)], ...], Field(min_length=1, max_length=4096)]
    tries: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Prompts sent for a row: above 1 where answers had to be drawn again."""
    chars: Annotated[tuple[Annotated[int, Field(ge=0, lt=10**6)], ...], Field(max_length=4096)] = ()


class WorkRate(_Entry):
    """Seconds for a unit of a stage's work, whatever its unit is."""

    seconds: Price


class Rates(BaseModel):
    """All that is remembered, by key."""

    model_config = ConfigDict(extra="ignore")

    engines: dict[Key, EngineRate] = {}
    answers: dict[Key, AnswerRate] = {}
    work: dict[Key, WorkRate] = {}


def rates_path() -> Path:
    """Return where rates are kept."""
    return cache_folder() / _FILE


def read_rates() -> Rates:
    """Read what is remembered; nothing where the file is absent, damaged or larger than any we write."""
    path = rates_path()
    try:
        with path.open("rb") as stream:
            return Rates.model_validate_json(stream.read(_LARGEST_FILE))
    except FileNotFoundError:
        return Rates()
    except (OSError, ValueError, ValidationError) as error:
        log.warning("%s is left out, and rates are measured anew: %s", path, type(error).__name__)
        return Rates()


@contextmanager
def changed_rates() -> Iterator[Rates]:
    """Change what is remembered: one process at a time, and the file is replaced whole."""
    path = rates_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        rates = read_rates()
        yield rates
        for kind in (rates.engines, rates.answers, rates.work):
            _forget_oldest(kind)
        _replace(path, rates.model_dump_json(indent=1))


def _forget_oldest(kind: dict[str, Any]) -> None:
    for key in sorted(kind, key=lambda key: str(kind[key].day))[: max(0, len(kind) - _MOST)]:
        del kind[key]


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".rates-", delete=False, encoding="utf-8") as stream:
        stream.write(text)
    os.replace(stream.name, path)


def engine_key(config: Config) -> str:
    """Name an engine on a machine: what changes its speed is in the name."""
    llm = config.llm
    parts = {
        **llm.model_dump(mode="json", include={"engine", "dtype", "cpus_per_engine", "gpus_per_engine"}),
        **llm.model_dump(mode="json", include={"tensor_parallel", "engine_kwargs", "scripted"}),
        "model": llm_identity(llm),
        "machine": machine_name(config),
    }
    return _key(parts)


def answer_key(config: Config, prompt: str, fields: dict[str, int], max_tokens: int) -> str:
    """Name what a model is asked: prompt version, the fields' longest lengths, and how answers are drawn."""
    llm = config.llm
    drawn = llm.model_dump(mode="json", include={"engine", "temperature", "top_p", "max_attempts", "scripted"})
    drawn |= {"repair_json": True} if llm.repair_json else {}
    return _key({**drawn, "model": llm_identity(llm), "prompt": prompt, "fields": fields, "max_tokens": max_tokens})


def work_key(config: Config, what: str, **parts: object) -> str:
    """Name a kind of work on this machine."""
    return _key({"what": what, "machine": machine_name(config), **parts})


def _key(parts: dict[str, object]) -> str:
    return fingerprint_of(json.loads(json.dumps(parts, default=str)))[:32]


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
