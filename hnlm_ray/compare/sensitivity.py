"""How a method's validation figure moves with each parameter that its trials differ in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hnlm_ray.compare.search_points import Parameter, Point, Value, is_number, label_of, searched

Facts = dict[str, Any]
BINS: Final = 5


def sensitivity(points: Sequence[Point]) -> list[Facts]:
    """Return for each searched parameter its points and their means over steps of its values.

    Returns
    -------
    list
        ``{"name", "is_choice", "is_log", "points": [(value, metric)], "steps"}``, in the order of the values; a step
        holds ``low`` and ``high`` (equal for a choice), ``trials``, and the ``mean`` and ``best`` figure of its trials.
        A number's steps hold about equally many trials each. Other parameters vary within a step too: its mean is
        what one may expect there, its best what can be reached.
    """
    return [_of(parameter, points) for parameter in searched(points)]


def _of(parameter: Parameter, points: Sequence[Point]) -> Facts:
    place = {label: number for number, label in enumerate(map(label_of, parameter.values))}
    pairs = [(point.values[parameter.name], point.metric) for point in points]
    pairs.sort(key=lambda pair: (place[label_of(pair[0])], pair[1]))
    steps = [place[label_of(value)] for value, _ in pairs] if parameter.is_choice else _bins(pairs)
    groups = [[pair for pair, own in zip(pairs, steps, strict=True) if own == step] for step in sorted(set(steps))]
    return {
        "name": parameter.name,
        "is_choice": parameter.is_choice,
        "is_log": parameter.is_log,
        "points": pairs,
        "steps": [_step(group) for group in groups],
    }


def _bins(pairs: Sequence[tuple[Value, float]]) -> list[int]:
    """Return the step of each pair, by rising value; equal values stay together, in the lower step."""
    values = np.array([value for value, _ in pairs], np.float64)
    edges = np.unique([values[len(values) * part // BINS - 1] for part in range(1, BINS)])
    return [int(step) for step in np.searchsorted(edges, values, side="left")]


def _step(group: Sequence[tuple[Value, float]]) -> Facts:
    figures = [figure for _, figure in group]
    low, high = group[0][0], group[-1][0]
    return {
        "low": low,
        "high": high,
        "label": _short(low) if low == high else f"{_short(low)} to {_short(high)}",
        "trials": len(group),
        "mean": float(np.mean(figures)),
        "best": max(figures),
    }


def _short(value: Value) -> str:
    """Write a value as short as a reader needs it: whole numbers as they are, others with three digits."""
    return label_of(value) if not is_number(value) or float(value).is_integer() else f"{value:.3g}"
