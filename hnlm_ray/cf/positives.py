"""Positives of every user as a CSR matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.errors import InputError

MOST: Final = 2**31 - 1
"""How many users or items there can be: an index is an int32."""


@dataclass(frozen=True, eq=False)
class Positives:
    """The items of every user, sorted.

    Parameters
    ----------
    indptr
        int64[users + 1]; the items of user u are ``items[indptr[u]:indptr[u + 1]]``.
    items
        int32[pairs], strictly increasing in each user.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def from_pairs(cls, users: ArrayLike, items: ArrayLike, n_users: int) -> Positives:
        """Sort (user, item) pairs, in any order, into CSR; InputError where a pair occurs twice."""
        user, item = _indices(users), _indices(items)
        if user.shape != item.shape or user.ndim != 1:
            raise InputError(f"pairs need two columns of one length, got shapes {user.shape} and {item.shape}")
        if len(user) and (user.min() < 0 or user.max() >= n_users or item.min() < 0):
            raise InputError(f"a pair has a user outside 0..{n_users - 1} or a negative item; use dense indices")
        if n_users > MOST or (len(item) and item.max() >= MOST):
            raise InputError(f"there are {n_users} users, items up to {item.max(initial=0)}; indices end at {MOST - 1}")
        # One sort of joint keys is several times faster than a sort by two columns.
        width = int(item.max()) + 1 if len(item) else 1
        keys = np.sort(user * width + item)
        twice = int((keys[1:] == keys[:-1]).sum())
        if twice:
            raise InputError(f"{twice} (user, item) pairs occur more than once; keep one row a pair")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
        return cls(indptr.astype(np.int64), (keys % width).astype(np.int32))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        """How many users there are, with or without positives."""
        return len(self.indptr) - 1

    @property
    def degree(self) -> NDArray[np.int64]:
        """Positives of each user, int64[users]."""
        return np.diff(self.indptr)

    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return users and items, int32[pairs] each, in the order of the CSR: the order of edges."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.degree), self.items

    def of(self, users: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return (row, item) of every positive of ``users``; row counts within ``users``."""
        lengths = self.degree[users]
        row = np.repeat(np.arange(len(users)), lengths)
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return row, self.items[self.indptr[users][row] + within]

    def active_users(self) -> NDArray[np.int32]:
        """Return the users who have at least one positive, int32, increasing."""
        return np.flatnonzero(self.degree).astype(np.int32)

    def keys(self, n_items: int) -> NDArray[np.int64]:
        """Return ``user * n_items + item`` of every pair, int64[pairs], increasing."""
        users, items = self.pairs()
        return users.astype(np.int64) * n_items + items

    def popularity(self, n_items: int) -> NDArray[np.int64]:
        """Return how many users each item is a positive of, int64[items]."""
        return np.bincount(self.items, minlength=n_items)

    def check(self, n_users: int, n_items: int, name: str) -> None:
        """Raise InputError unless this is a CSR of ``n_users`` by ``n_items`` without repeated pairs."""
        if self.n_users != n_users:
            raise InputError(f"{name} has {self.n_users} users, the data has {n_users}; give both the same")
        if self.indptr[0] != 0 or self.indptr[-1] != len(self.items) or (np.diff(self.indptr) < 0).any():
            raise InputError(f"{name}: indptr must rise from 0 to the number of pairs; build it by from_pairs")
        if len(self.items) and (self.items.min() < 0 or self.items.max() >= n_items):
            raise InputError(f"{name} has an item outside 0..{n_items - 1}; use dense indices")
        if (np.diff(self.keys(n_items)) <= 0).any():
            raise InputError(f"{name}: items of a user must be sorted and unique; build it by from_pairs")


def _indices(values: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.size and found.dtype.kind not in "iu":
        raise InputError(f"users and items must be whole numbers, got {found.dtype}; use dense indices")
    return found.astype(np.int64, copy=False)
