"""How soon a search finds what it finds: the best validation figure so far against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Facts = dict[str, Any]
Row = Mapping[str, Any]
Points = list[tuple[float, float]]


def anytime(trials: Sequence[Row]) -> list[Facts]:
    """Return each method's curve, the trials of a search one after the other in the order of their numbers.

    Returns
    -------
    list
        ``{"name", "trials", "spent", "best", "points": [(CPU seconds, best so far)]}`` of each method that came to a
        figure: a point wherever the best one rose, and one at the end. A trial's seconds count whether or not it
        came to a figure. ``points`` and ``best`` are means over independent searches, from when each has a figure; one
        without any is left out. ``trials`` and ``spent`` are of all searches together.
    """
    names = sorted({str(row["method"]) for row in trials})
    curves = [_curve(name, [row for row in trials if row["method"] == name]) for name in names]
    return [curve for curve in curves if curve is not None]


def _curve(name: str, trials: Sequence[Row]) -> Facts | None:
    searches = sorted({int(row["search"]) for row in trials})
    curves = [_of_search([row for row in trials if row["search"] == search]) for search in searches]
    points = _mean_curve([curve for curve in curves if curve])
    if not points:
        return None
    spent = sum(float(row["cpu_seconds"]) for row in trials)
    return {"name": name, "trials": len(trials), "spent": spent, "best": points[-1][1], "points": points}


def _of_search(trials: Sequence[Row]) -> Points:
    spent, best = 0.0, float("-inf")
    points: Points = []
    for row in sorted(trials, key=lambda row: int(row["trial"])):
        for point in row["curve"] or ():
            if point["validation"] is not None and point["validation"] > best:
                best = float(point["validation"])
                points.append((spent + min(float(point["cpu_seconds"]), float(row["cpu_seconds"])), best))
        spent += float(row["cpu_seconds"])
    if points and points[-1][0] < spent:
        points.append((spent, best))
    return points


def _mean_curve(curves: Sequence[Points]) -> Points:
    """Return the mean of curves that hold each figure until the next, wherever one of them rises."""
    begun = max((curve[0][0] for curve in curves), default=0.0)
    times = sorted({time for curve in curves for time, _ in curve if time >= begun})
    held = [_held(curve, times) for curve in curves]
    return [(time, float(np.mean(figures))) for time, figures in zip(times, zip(*held, strict=True), strict=True)]


def _held(curve: Points, times: Sequence[float]) -> list[float]:
    places = np.searchsorted([time for time, _ in curve], times, side="right") - 1
    return [curve[place][1] for place in places]
