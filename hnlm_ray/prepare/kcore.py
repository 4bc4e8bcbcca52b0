"""The k-core: every user and every item that stays has enough positives among those that stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Degrees = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Members:
    """The users and items that stay: one mask each over the vocabulary."""

    users: Mask
    items: Mask


@dataclass(frozen=True)
class UserRows:
    """All pairs of the users of a range.

    Attributes
    ----------
    users, items
        Codes of each pair; sorted by user.
    trains
        Pairs that count: in a given split, test pairs must not decide who stays. None: all do.
    first, end
        The range of user codes.
    """

    users: Codes
    items: Codes
    trains: Mask | None
    first: int
    end: int

    @cached_property
    def starts(self) -> Degrees:
        """Where each user's pairs begin, and the end of the last one's."""
        return np.searchsorted(self.users, np.arange(self.first, self.end + 1))

    def counted(self, pairs: Mask) -> Mask:
        """Leave out the pairs that don't count."""
        return pairs if self.trains is None else pairs & self.trains

    def degrees(self, items: Mask) -> Degrees:
        """Return how many pairs with an item of the mask each user of the range has."""
        sums = np.concatenate(([0], np.cumsum(self.counted(items[self.items]))))
        return np.diff(sums[self.starts])

    def of(self, users: Mask) -> Mask:
        """Mark the pairs of some users, which are given by a mask over the range."""
        return np.repeat(users, np.diff(self.starts))


def users_round(
    rows: UserRows, users: Mask, items: Mask, user_core: int, *, all_rows_count_for_items: bool
) -> tuple[Mask, npt.NDArray[Any]]:
    """Do one round for the users of a range.

    Parameters
    ----------
    rows
        Their pairs.
    users
        Mask over the range: who may stay at all.
    items
        Mask over all items: which are left.
    user_core
        Least degree of a user.
    all_rows_count_for_items
        An item that only test rows name counts too (``item_core`` 1: no filter on items).

    Returns
    -------
    tuple
        The users who stay with these items, and how many of them each item has. All pairs of a user are at hand,
        so only the items' counts have to be added up over the ranges.
    """
    stay = users & (rows.degrees(items) >= user_core)
    pairs = rows.of(stay) & items[rows.items]
    counted = pairs if all_rows_count_for_items else rows.counted(pairs)
    return stay, np.bincount(rows.items[counted], minlength=len(items)).astype(_counts(len(counted)))


def _counts(pairs: int) -> type[np.signedinteger[Any]]:
    return np.int32 if pairs <= np.iinfo(np.int32).max else np.int64


def joined(rounds: Iterable[tuple[Mask, npt.NDArray[Any]]], items: int) -> tuple[Mask, Degrees]:
    """Join the results of all ranges, added up one by one: only one range's degrees of items are held at a time."""
    stay: list[Mask] = []
    degrees = np.zeros(items, dtype=np.int64)
    for users, counted in rounds:
        stay.append(users)
        degrees += counted
    return np.concatenate(stay), degrees
