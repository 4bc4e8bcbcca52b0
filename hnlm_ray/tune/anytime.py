"""How soon a search finds what it finds: the best validation figure so far against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Facts = dict[str, Any]
Row = Mapping[str, Any]


def anytime(trials: Sequence[Row]) -> list[Facts]:
    """Return each method's curve, its trials one after the other in the order of their numbers.

    Returns
    -------
    list
        ``{"name", "trials", "spent", "best", "points": [(CPU seconds, best so far)]}`` of each method that came to a
        figure: a point wherever the best one rose, and one at the end. A trial's seconds count whether or not it
        came to a figure.
    """
    names = sorted({str(row["method"]) for row in trials})
    curves = [_curve(name, [row for row in trials if row["method"] == name]) for name in names]
    return [curve for curve in curves if curve["points"]]


def _curve(name: str, trials: Sequence[Row]) -> Facts:
    spent, best = 0.0, float("-inf")
    points: list[tuple[float, float]] = []
    for row in sorted(trials, key=lambda row: int(row["trial"])):
        for point in row["curve"] or ():
            if point["validation"] is not None and point["validation"] > best:
                best = float(point["validation"])
                points.append((spent + min(float(point["cpu_seconds"]), float(row["cpu_seconds"])), best))
        spent += float(row["cpu_seconds"])
    if points and points[-1][0] < spent:
        points.append((spent, best))
    return {"name": name, "trials": len(trials), "spent": spent, "best": best, "points": points}
