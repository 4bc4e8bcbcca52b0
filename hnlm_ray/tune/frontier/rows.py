"""The rows of the table ``frontier``: what each sampler draws on one model that stays as it is.

A sampler's settings in a few words, such as 'M 8, lambda 0.5 (full)'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData
from hnlm_ray.cf.samplers import sampler_class
from hnlm_ray.cf.training.hardness import PAIRS, Drawn, Ranked, choose_pairs
from hnlm_ray.cf.training.redraw import redraw
from hnlm_ray.compare.equal_hardness import Estimate, Resampled, Saved, resample, saved
from hnlm_ray.compare.significance import LEAST_USERS
from hnlm_ray.config import CFConfig
from hnlm_ray.config.spaces import Reads


def sampler_words(config: CFConfig) -> str:
    """Return what the negatives of a training depend on, beside its model: never empty."""
    sampler = sampler_class(config.sampler)
    return ", ".join(sampler.words(config)) or sampler.manner or config.sampler


REFERENCE: Final = "DNS"
CANDIDATES: Final = (1, 2, 4, 8, 16, 32)
"""M of the reference curve; 1 is uniform sampling."""
BEYOND: Final = "DNS has no such hardness"
ALIKE: Final = "it draws what its method draws, item by item"
Role = Literal["reference", "own", "grid", "control"]
DataOf = Callable[[Reads], CFData]
Row = dict[str, Any]


@dataclass(frozen=True)
class Redrawn:
    """A sampler to be redrawn: whose, in which role, with which settings, reading what.

    Attributes
    ----------
    controls
        Of the role ``control``: the method whose winner's settings it has, but for what the control takes away.
    reason
        Why it is not to be redrawn at all; none: it is.
    """

    method: str
    role: Role
    config: CFConfig
    reads: Reads
    controls: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Point:
    """A sampler with what became of it; ``reason``: why a part of that is not there."""

    asked: Redrawn
    reason: str | None
    drawn: Drawn | None = None
    figures: Resampled | None = None
    saved: Saved | None = None


def reference() -> list[Redrawn]:
    """Return DNS along its hardness."""
    return [Redrawn(REFERENCE, "reference", CFConfig(sampler="dns", candidates=m), "nothing") for m in CANDIDATES]


def frontier_rows(model: Ranked, asked: Sequence[Redrawn], data_of: DataOf, seed: int, most: int = PAIRS) -> list[Row]:
    """Redraw the negatives of the reference and of ``asked`` for the same training pairs, up to ``most`` of them.

    Each with the same random streams, so that two samplers which differ in little differ in little of what they draw.

    Returns
    -------
    list
        Rows as the table ``frontier`` has them; none where there are too few users to say how they vary.
    """
    pairs = choose_pairs(model.data, seed, most)
    users = len(np.unique(model.data.train.pairs()[0][pairs]))
    if users < LEAST_USERS:
        return []
    drawn = [_draw(one, model, data_of, pairs, seed) for one in [*reference(), *asked]]
    points = _with_saved(_with_figures(drawn, seed), users)
    own = {point.asked.method: point for point in points if point.asked.role == "own"}
    sizes = {"pairs": len(pairs), "users": users}
    return [_row(point, own.get(point.asked.controls or ""), users) | sizes for point in points]


def _draw(asked: Redrawn, model: Ranked, data_of: DataOf, pairs: NDArray[np.int64], seed: int) -> _Point:
    if asked.reason is not None:
        return _Point(asked, asked.reason)
    try:
        return _Point(asked, None, redraw(model, data_of(asked.reads), asked.config, pairs, seed))
    except InputError as error:
        return _Point(asked, str(error))


def _with_figures(points: Sequence[_Point], seed: int) -> list[_Point]:
    figures = iter(resample([point.drawn for point in points if point.drawn is not None], seed))
    return [point if point.drawn is None else replace(point, figures=next(figures)) for point in points]


def _with_saved(points: Sequence[_Point], users: int) -> list[_Point]:
    curve = [point.figures for point in points if point.figures is not None and point.asked.role == "reference"]
    return [
        point
        if point.figures is None or point.asked.role == "reference"
        else _compared(point, saved(point.figures, curve, users))
        for point in points
    ]


def _compared(point: _Point, found: Saved | None) -> _Point:
    return replace(point, saved=found, reason=BEYOND if found is None else None)


def _row(point: _Point, method: _Point | None, users: int) -> Row:
    """Return a point's row; ``method`` is that which it is a control of."""
    asked, figures, against = point.asked, point.figures, point.saved
    gain, reason = _gain(point, method)
    return {
        "method": asked.method,
        "role": asked.role,
        "controls": asked.controls,
        "setting": sampler_words(asked.config),
        **_told("hardness", None if figures is None else figures.hardness, users),
        **_told("false_negative_share", None if figures is None else figures.share, users),
        "reference_share": None if against is None else against.reference,
        **_tested("saved", None if against is None else against.values, users),
        **_tested("gain", gain, users),
        "reason": reason,
    }


def _gain(point: _Point, method: _Point | None) -> tuple[NDArray[np.float64] | None, str | None]:
    """Return what the method saves more than its control, float64[1 + resamples]; or none, and why."""
    if method is None or point.saved is None or method.saved is None:
        return None, point.reason
    if point.drawn is not None and method.drawn is not None and _are_alike(point.drawn, method.drawn):
        return None, ALIKE
    return method.saved.values - point.saved.values, point.reason


def _are_alike(a: Drawn, b: Drawn) -> bool:
    return np.array_equal(a.wins, b.wins) and np.array_equal(a.false, b.false)


def _told(name: str, values: NDArray[np.float64] | None, users: int) -> Row:
    """Return a figure with its interval, within 0 to 1."""
    if values is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    found = Estimate.of(values, users)
    return {name: found.value, f"{name}_low": max(0.0, found.low), f"{name}_high": min(1.0, found.high)}


def _tested(name: str, values: NDArray[np.float64] | None, users: int) -> Row:
    """Return a difference with its standard error, interval and p."""
    found = None if values is None else asdict(Estimate.of(values, users))
    parts = {name: "value", **{f"{name}_{part}": part for part in ("error", "low", "high", "p")}}
    return {column: None if found is None else found[part] for column, part in parts.items()}
