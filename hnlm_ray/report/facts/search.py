"""What the search tells: how figures move with the parameters, which of these decide, and how soon all is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hnlm_ray.compare.search_effects import Point, anytime, importance, points_of, sensitivity
from hnlm_ray.report.facts.training import thinned

Facts = dict[str, Any]
Row = Mapping[str, Any]
_POINTS: Final = 100
_TABLE_POINTS: Final = 8


def search_facts(trials: Sequence[Row], order: Sequence[str], metric: str) -> Facts:
    """Return the facts of the trials.

    Parameters
    ----------
    trials
        Rows of the table ``trials``.
    order
        The methods, in the order in which they are told.
    metric
        The validation figure that is looked at.
    """
    points = {name: points_of([row for row in trials if row["method"] == name], metric) for name in order}
    curves = {curve["name"]: curve for curve in anytime(trials)}
    return {
        "sensitivity": by_parameter(points),
        "importance": [{"name": name, **importance(own)} for name, own in points.items() if own],
        "anytime": [
            {**curves[name], "shown": thinned(curves[name]["points"], _TABLE_POINTS)}
            for name in order
            if name in curves
        ],
    }


def by_parameter(points: Mapping[str, Sequence[Point]]) -> list[Facts]:
    """Return for each searched parameter the methods that search it, with their points and steps.

    A parameter that some method draws from many values is a number for all.
    """
    found: dict[str, list[Facts]] = {}
    for method, own in points.items():
        for facts in sensitivity(own):
            shown = {"method": method, "points": thinned(facts["points"], _POINTS)}
            found.setdefault(facts["name"], []).append({**facts, **shown})
    return [
        {
            "name": name,
            "is_choice": all(facts["is_choice"] for facts in methods),
            "is_log": any(facts["is_log"] for facts in methods),
            "methods": methods,
        }
        for name, methods in sorted(found.items())
    ]
