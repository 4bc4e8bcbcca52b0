"""How soon a search finds what it finds: the best validation figure so far against what was spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Facts = dict[str, Any]
Row = Mapping[str, Any]


def anytime(trials: Sequence[Row]) -> Facts:
    """Return each method's curve, its trials one after the other in the order of their numbers.

    Returns
    -------
    dict
        ``unit``: 'CPU seconds', or 'seconds' where a trial's CPU seconds are not known; ``methods``: a list of
        ``{"name", "trials", "spent", "best", "points": [(spent, best so far)]}``, a point wherever the best figure rose
        and one at the end. A trial's seconds count whether or not it came to a figure; within a trial they are those
        of its epochs where these are known, else shared equally among them.
    """
    known = all(row.get("cpu_seconds") is not None for row in trials)
    names = sorted({str(row["method"]) for row in trials})
    curves = [_curve(name, [row for row in trials if row["method"] == name], in_cpu=known) for name in names]
    return {"unit": "CPU seconds" if known else "seconds", "methods": [curve for curve in curves if curve["points"]]}


def _curve(name: str, trials: Sequence[Row], *, in_cpu: bool) -> Facts:
    spent, best = 0.0, float("-inf")
    points: list[tuple[float, float]] = []
    for row in sorted(trials, key=lambda row: int(row["trial"])):
        total = float(row["cpu_seconds"] if in_cpu else row["seconds"])
        for seconds, figure in _measured(row, total, in_cpu=in_cpu):
            if figure > best:
                best = figure
                points.append((spent + seconds, best))
        spent += total
    if points and points[-1][0] < spent:
        points.append((spent, best))
    return {"name": name, "trials": len(trials), "spent": spent, "best": best if points else None, "points": points}


def _measured(row: Row, total: float, *, in_cpu: bool) -> Iterator[tuple[float, float]]:
    """Yield a trial's seconds so far and its validation figure, wherever it was evaluated."""
    curve = row["curve"] or ()
    for place, point in enumerate(curve, 1):
        if point["validation"] is not None:
            seconds = point.get("cpu_seconds") if in_cpu else None
            yield (
                min(total, total * place / len(curve) if seconds is None else float(seconds)),
                float(point["validation"]),
            )
