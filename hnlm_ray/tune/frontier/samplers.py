"""Which samplers of a run are redrawn on one model, with which settings; and whose model that is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hnlm_ray.cf import SOLVED
from hnlm_ray.cf.samplers import sampler_class
from hnlm_ray.cf.training.hardness import draws_for_pairs
from hnlm_ray.compare.method_rows import MethodRows
from hnlm_ray.config import CFConfig, MethodName
from hnlm_ray.methods.known import controls_of, method_of
from hnlm_ray.methods.method import Method
from hnlm_ray.methods.space_checks import with_values
from hnlm_ray.tune.frontier.rows import Redrawn, sampler_words

GRID_CANDIDATES: Final = (4, 8, 16, 32)
GRID_LAMBDAS: Final = (0.3, 0.5, 1.0)
SOLVES: Final = "it is solved and draws no negative"
WITHOUT_TEXT: Final = "what it draws knows no text: text is in its model alone"
_BY_TEXT: Final = {"guard", "pool_share"}


@dataclass(frozen=True)
class Winner:
    """A method's winner: its name in results, what it trains with, and its validation figure (mean of its refits)."""

    name: str
    method: Method
    config: CFConfig
    validation: float


def winners(groups: Sequence[MethodRows], methods: Mapping[MethodName, Method], metric: str) -> list[Winner]:
    """Return the winner of each method that has refits; of several searches that which is best on validation."""
    return [_winner(group, methods[method_of(group.name, methods)], metric) for group in groups if group.refits]


def _winner(group: MethodRows, method: Method, metric: str) -> Winner:
    by_config: dict[str, list[float]] = {}
    for row in group.refits:
        by_config.setdefault(row["config"], []).append(float(dict(row["validation"])[metric]))
    text, values = max(by_config.items(), key=lambda entry: float(np.mean(entry[1])))
    return Winner(group.name, method, CFConfig.model_validate(json.loads(text)), float(np.mean(values)))


def frozen_winner(found: Sequence[Winner]) -> Winner | None:
    """Return whose model all samplers draw on: the classical method best on validation that ranks pair by pair.

    Its loss is one of pairs and its embeddings alone rank: it is not solved and not fused with a teacher.
    """
    fit = [one for one in found if one.method.family == "classical" and _ranks_pairs(one.config)]
    return max(fit, key=lambda one: one.validation, default=None)


def _ranks_pairs(config: CFConfig) -> bool:
    return draws_for_pairs(config) and config.model not in SOLVED and config.fusion in {"none", 0}


def redrawn(found: Sequence[Winner], methods: Mapping[MethodName, Method]) -> list[Redrawn]:
    """Return what is redrawn: each method with its winner's settings, guards along a grid, and controls.

    The controls of a semantic method, or of the facts in its place, have a second row: with the settings of *its*
    winner, but for what the control takes away. So nothing but the meaning is between the two.
    """
    listed = [asked for one in found for asked in (_own(one), *_grid(one), *_controls(one, methods))]
    return list({_point(asked): asked for asked in reversed(listed)}.values())[::-1]


def _point(asked: Redrawn) -> tuple[str, ...]:
    """Return what tells a row from others; the grids of two methods with one guard are one grid, the first's.

    A control of two methods (that both extend) has a row for each, with the settings of each.
    """
    drawn = asked.reads, sampler_words(asked.config), asked.config.belief.model_dump_json()
    return ("grid", *drawn) if asked.role == "grid" else (asked.role, asked.method, asked.controls or "")


def draws_by_text(one: Winner) -> bool:
    """Tell whether a method's negatives can rest on what an LLM or an encoder says: by a pool, vectors or a guard."""
    config, searched = one.config, _BY_TEXT & one.method.space.keys()
    return bool(sampler_class(config.sampler).draws_by_text or config.pool_share or config.guard or searched)


def _own(one: Winner) -> Redrawn:
    silent = one.method.family != "classical" and not draws_by_text(one)
    reason = SOLVES if one.config.model in SOLVED else WITHOUT_TEXT if silent else None
    return Redrawn(one.name, "own", one.config, one.method.reads, reason=reason)


def _grid(one: Winner) -> Iterator[Redrawn]:
    """Yield a guard's other settings: DNS alone has the same knob as the curve that it is compared with."""
    if one.method.family != "semantic" or one.config.sampler != "dns" or "guard" not in one.method.space:
        return
    for candidates in GRID_CANDIDATES:
        for guard in GRID_LAMBDAS:
            config = one.config.model_copy(update={"candidates": candidates, "guard": guard})
            yield Redrawn(one.name, "grid", config, one.method.reads)


def _controls(one: Winner, methods: Mapping[MethodName, Method]) -> Iterator[Redrawn]:
    if not (one.method.family == "semantic" or one.method.takes == "facts") or not draws_by_text(one):
        return
    for name in controls_of(one.name, methods):
        control = methods[method_of(name, methods)]
        config = CFConfig.model_validate(with_values(one.config.model_dump(), control.fixed))
        yield Redrawn(name, "control", config, control.reads, controls=one.name)
