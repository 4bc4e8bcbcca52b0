"""What a comparison's sample is made of: independent searches, or the seeds of a single one.

What a search finds varies by itself, often more than its winner does from seed to seed. So where two methods share two
or more searches these are the sample, each the mean of its refits (seeds nested in searches); else it is the refits,
and what is found holds for the configurations that were refitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Unit = Literal["searches", "seeds"]
_REPLICATED: Final = 2


def unit_of(searches: Sequence[int]) -> Unit:
    """Return what is one draw of the sample, from the search of each refit."""
    return "searches" if len(set(searches)) >= _REPLICATED else "seeds"


def unit_means(values: ArrayLike, searches: Sequence[int]) -> NDArray[np.float64]:
    """Return float[units, ...] of float[refits, ...]: means over each search's refits, or with one search the refits.

    Parameters
    ----------
    searches
        The search of each refit; units follow by their numbers.
    """
    rows = np.asarray(values, np.float64)
    if unit_of(searches) == "seeds":
        return rows
    of = np.asarray(searches)
    return np.array([rows[of == search].mean(0) for search in np.unique(of)])
