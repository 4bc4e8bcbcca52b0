"""The k-core: every user and every item that stays has enough positives among those that stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

    def rows(self, users: Codes, items: Codes) -> Mask:
        """Mark the rows whose user and item both stay."""
        return self.users[users] & self.items[items]


@dataclass(frozen=True)
class BlockDegrees:
    """How many positives a block has of the users and items that occur in it."""

    users: Codes
    user_counts: Degrees
    items: Codes
    item_counts: Degrees


def block_degrees(
    users: Codes, items: Codes, trains: Mask, members: Members, *, all_rows_count_for_items: bool
) -> BlockDegrees:
    """Count a block's rows among the members.

    Parameters
    ----------
    users, items
        Codes of each row.
    trains
        Rows that count: in a given split, test rows must not decide who stays.
    members
        Who stayed so far.
    all_rows_count_for_items
        An item that only test rows name counts too (``item_core`` 1: no filter on items).
    """
    stays = members.rows(users, items)
    counted = stays if all_rows_count_for_items else stays & trains
    user_codes, user_counts = np.unique(users[stays & trains], return_counts=True)
    item_codes, item_counts = np.unique(items[counted], return_counts=True)
    return BlockDegrees(user_codes, user_counts, item_codes, item_counts)


def add_degrees(blocks: Iterable[BlockDegrees], users: int, items: int) -> tuple[Degrees, Degrees]:
    """Add up the degrees of all blocks: two arrays over the vocabularies."""
    user_degrees, item_degrees = np.zeros(users, np.int64), np.zeros(items, np.int64)
    for block in blocks:
        user_degrees[block.users] += block.user_counts
        item_degrees[block.items] += block.item_counts
    return user_degrees, item_degrees


def next_members(user_degrees: Degrees, item_degrees: Degrees, user_core: int, item_core: int) -> Members:
    """Return who has enough; degrees are counted among the members so far, so none comes back."""
    return Members(user_degrees >= user_core, item_degrees >= item_core)


def same(left: Members, right: Members) -> bool:
    """Tell whether a round changed nothing."""
    return bool(np.array_equal(left.users, right.users) and np.array_equal(left.items, right.items))
