"""Whether what a comparison finds may be said of two methods, or of the configurations that were found for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

from hnlm_ray.compare.method_rows import COUNTED, MethodRows, Row, searches_of, shared_refits

Scope = Literal["methods", "configurations"]
LEAST_SEARCHES: Final = 2
LEAST_TRIALS: Final = 20
"""Over a method's searches together: with fewer, what a search finds is mostly luck."""


def speaks_of(a: MethodRows, b: MethodRows, found_by: Mapping[str, Sequence[Row] | None]) -> Scope:
    """Return what a comparison of two methods speaks of.

    It speaks of methods where both share :data:`LEAST_SEARCHES` searches, in which the configuration of each was found
    among :data:`LEAST_TRIALS` trials together that came to a figure.

    Parameters
    ----------
    found_by
        The trials that decided each method's configurations, by its name in results: its own, and those of the methods
        whose settings it takes; none of one that searches nothing, which is its configuration and needs no search.
    """
    searches = set(searches_of(shared_refits(a, b)))
    told = all(_is_replicated(found_by[rows.name], searches) for rows in (a, b))
    return "methods" if told else "configurations"


def _is_replicated(trials: Sequence[Row] | None, searches: Collection[int]) -> bool:
    if trials is None:
        return True
    counted = sum(int(row["search"]) in searches and row["status"] in COUNTED for row in trials)
    return len(searches) >= LEAST_SEARCHES and counted >= LEAST_TRIALS
