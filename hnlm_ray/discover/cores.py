"""Which k-core leaves data: tried on the interactions themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

CORES: Final = ((5, 5), (5, 3), (5, 2), (3, 3), (3, 2), (5, 1), (3, 1), (2, 2), (2, 1), (1, 1))
"""User's and item's least positives, the strictest first; users with fewer than 3 have nothing to test on."""
_KEPT_SHARE = 0.5
_FEW_USERS, _FEW_ITEMS = 30, 30
_SEED = 42

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Core:
    """A k-core and what it leaves of the positives that the sample of users had."""

    user_core: int
    item_core: int
    users: int
    items: int
    positives: int
    sampled: int = 0


def choose_core(users: Ids, items: Ids, most_users: int | None) -> Core:
    """Return the strictest core that keeps at least half of the positives, some users and some items.

    Parameters
    ----------
    users, items
        Codes of the positives, int64, each pair once.
    most_users
        Size of the sample of users that is taken first, as ``prepare.max_users`` does; None: all.
    """
    found = [_core(users, items, one, most_users) for one in CORES]
    least_users = min(_FEW_USERS, len(np.unique(users)) // 3)
    fitting = (
        core
        for core, whole in found
        if core.positives >= _KEPT_SHARE * whole
        and core.users >= least_users
        and core.items >= min(_FEW_ITEMS, len(np.unique(items)) // 3)
    )
    return next(fitting, max((core for core, _ in found), key=lambda core: core.positives))


def _core(users: Ids, items: Ids, least: tuple[int, int], most_users: int | None) -> tuple[Core, int]:
    """Return a core and the positives of the sample it was taken of."""
    inside = _sampled(users, least[0], most_users)
    whole = int(inside.sum())
    kept = k_core(users[inside], items[inside], *least)
    kept_users, kept_items = users[inside][kept], items[inside][kept]
    return Core(*least, len(np.unique(kept_users)), len(np.unique(kept_items)), int(kept.sum()), whole), whole


def _sampled(users: Ids, user_core: int, most_users: int | None) -> npt.NDArray[np.bool_]:
    degrees = np.bincount(users)
    able = np.flatnonzero(degrees >= user_core)
    if most_users is None or len(able) <= most_users:
        return np.ones(len(users), dtype=bool)
    chosen = np.random.default_rng(_SEED).choice(able, most_users, replace=False)
    member = np.zeros(len(degrees), dtype=bool)
    member[chosen] = True
    return member[users]


def k_core(users: Ids, items: Ids, user_core: int, item_core: int) -> npt.NDArray[np.bool_]:
    """Mark the pairs whose user and item both keep enough positives, again and again until nobody goes."""
    kept = np.ones(len(users), dtype=bool)
    while kept.any():
        enough_users = np.bincount(users[kept], minlength=_size(users)) >= user_core
        enough_items = np.bincount(items[kept], minlength=_size(items)) >= item_core
        still = kept & enough_users[users] & enough_items[items]
        if still.sum() == kept.sum():
            break
        kept = still
    return kept


def _size(codes: Ids | Sequence[int]) -> int:
    return int(np.max(codes, initial=-1)) + 1
