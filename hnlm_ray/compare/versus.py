"""One method against another: how sure the difference is, how large, and with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.compare.method_rows import (
    MethodRows,
    Refits,
    Row,
    per_user_values,
    searches_of,
    shared_refits,
    speaks_of,
    unit_means,
    unit_of,
)
from hnlm_ray.compare.significance import compare, effect, holm, in_groups
from hnlm_ray.compare.user_groups import POPULARITIES, Groups

Entry = dict[str, Any]
_UNKNOWN: Final[Entry] = {
    "difference": None,
    "relative": None,
    "ci95": [None, None],
    "relative_ci95": [None, None],
    "p_holm": None,
    "effect_size": None,
    "wins": None,
    "ties": None,
    "losses": None,
    "by_group": {},
    "unit": None,
    "speaks_of": None,
}
_ITSELF: Final[Entry] = {
    **_UNKNOWN,
    "difference": 0.0,
    "relative": 0.0,
    "ci95": [0.0, 0.0],
    "relative_ci95": [0.0, 0.0],
    "p_holm": 1.0,
    "effect_size": 0.0,
}


@dataclass(frozen=True)
class Versus:
    """What is known of one pair of methods before p is corrected."""

    p: float
    facts: Entry


def versus(
    a: MethodRows, b: MethodRows, found_by: Mapping[str, Sequence[Row] | None], groups: Groups | None = None
) -> Versus | None:
    """Compare a with b over the searches and seeds that both finished; none without one.

    Parameters
    ----------
    found_by
        The trials that decided each method's configurations, as of :func:`hnlm_ray.compare.method_rows.speaks_of`.
    """
    refits = shared_refits(a, b)
    values = per_user_values(refits)
    if values is None:
        return None
    found = compare(*values)
    facts = {"difference": found.difference, "ci95": list(found.ci95), **effect(*values)}
    facts |= {"unit": unit_of(searches_of(refits)), "speaks_of": speaks_of(a, b, found_by)}
    return Versus(found.p, {**facts, "by_group": {} if groups is None else _by_group(values, refits, groups)})


def corrected(found: Sequence[Versus | None]) -> list[Entry]:
    """Return the entries with Holm-corrected p values; nulls where there is nothing to compare."""
    adjusted = iter(holm([one.p for one in found if one is not None]))
    return [unknown() if one is None else {**_UNKNOWN, **one.facts, "p_holm": next(adjusted)} for one in found]


def unknown() -> Entry:
    """Return the entry of methods that share no finished seed."""
    return {**_UNKNOWN}


def itself() -> Entry:
    """Return the entry of the method that all are compared with."""
    return {**_ITSELF}


def _by_group(values: tuple[NDArray[np.float64], NDArray[np.float64]], refits: Refits, groups: Groups) -> Entry:
    """Return users by their history (the compared metric) and by what they liked (the share of it that is found)."""
    found: Entry = in_groups(*values, groups.users())
    if any(row["found"] is None for pair in refits for row in pair):
        return found
    for name in POPULARITIES:
        found |= in_groups(*found_shares(refits, groups, name), {name: np.ones(len(groups.history), bool)})
    return found


def found_shares(refits: Refits, groups: Groups, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both methods' shares found of test rows in a group of items, float64[units, users]; NaN without any.

    All refits must tell which rows they found.
    """
    rows = zip(*([np.asarray(row["found"], bool) for row in pair] for pair in refits), strict=True)
    first, second = (unit_means(groups.found_share(own, name), searches_of(refits)) for own in rows)
    return first, second
