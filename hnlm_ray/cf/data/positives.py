"""Positives of every user as a CSR matrix.

Pairs also as sorted 64-bit keys, for membership by binary search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError


def positions(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each key stands in ``sorted_keys`` (int64, the shape of ``keys``), -1 where it isn't."""
    if len(sorted_keys) == 0:
        return np.full(keys.shape, -1, np.int64)
    found = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[found] == keys, found, -1)


def contains(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each key whether it is in ``sorted_keys`` (bool, the shape of ``keys``)."""
    return positions(sorted_keys, keys) >= 0


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
        """Sort (user, item) pairs, in any order, into CSR.

        InputError where a pair occurs twice, for anything but whole numbers from 0 on, and for a user beyond
        ``n_users``.
        """
        user, item = whole_numbers(users, items)
        check_size("users", n_users)
        if len(user) and (user.min() < 0 or user.max() >= n_users or item.min() < 0):
            raise InputError(f"a pair has a user outside 0..{n_users - 1} or a negative item; use dense indices")
        if len(item) and item.max() >= MOST:
            raise InputError(f"there are items up to {item.max()}; indices end at {MOST - 1}")
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
        lengths = self.indptr[1:][users] - self.indptr[users]
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

    def edges(self, users: ArrayLike, items: ArrayLike, n_items: int) -> NDArray[np.int64]:
        """Return which pair of :meth:`pairs` each (user, item) is, int64[n]; -1 where it is none."""
        user, item = whole_numbers(users, items)
        inside = (user >= 0) & (user < self.n_users) & (item >= 0) & (item < n_items)
        return np.where(inside, positions(self.keys(n_items), user * n_items + item), -1)

    def popularity(self, n_items: int) -> NDArray[np.int64]:
        """Return how many users each item is a positive of, int64[items]."""
        return np.bincount(self.items, minlength=n_items)

    def check(self, n_users: int, n_items: int, name: str) -> None:
        """Raise InputError unless this is a CSR of ``n_users`` by ``n_items`` without repeated pairs."""
        if self.indptr.dtype != np.int64 or self.items.dtype != np.int32:
            kinds = f"{self.indptr.dtype} and {self.items.dtype}"
            raise InputError(f"{name}: indptr must be int64 and items int32, got {kinds}; build it by from_pairs")
        if self.n_users != n_users:
            raise InputError(f"{name} has {self.n_users} users, the data has {n_users}; give both the same")
        if self.indptr[0] != 0 or self.indptr[-1] != len(self.items) or (np.diff(self.indptr) < 0).any():
            raise InputError(f"{name}: indptr must rise from 0 to the number of pairs; build it by from_pairs")
        if len(self.items) and (self.items.min() < 0 or self.items.max() >= n_items):
            raise InputError(f"{name} has an item outside 0..{n_items - 1}; use dense indices")
        if (np.diff(self.keys(n_items)) <= 0).any():
            raise InputError(f"{name}: items of a user must be sorted and unique; build it by from_pairs")


@dataclass(frozen=True, eq=False)
class PairWeights:
    """How much some (user, item) pairs weigh in training, such as how often each came; all others weigh 1.

    Parameters
    ----------
    keys
        ``user * items + item``, int64[n], rising.
    weights
        float64[n], finite and above 0.
    """

    keys: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def from_pairs(cls, users: ArrayLike, items: ArrayLike, weights: ArrayLike, n_items: int) -> PairWeights:
        """Sort the weights of pairs; InputError where one is no finite number above 0, or a pair comes twice."""
        user, item = whole_numbers(users, items)
        given = np.asarray(weights, np.float64)
        if given.shape != user.shape or not (np.isfinite(given).all() and (given > 0).all()):
            raise InputError("weights of pairs must be one finite number above 0 each; leave out pairs that weigh 1")
        keys = user * n_items + item
        order = np.argsort(keys)
        if (np.diff(keys[order]) == 0).any():
            raise InputError("a pair has two weights; give one each")
        return cls(keys[order], given[order])

    def of(self, positives: Positives, n_items: int) -> NDArray[np.float64]:
        """Return the weight of each pair, float64[pairs], in the order of :meth:`Positives.pairs`."""
        found = positions(self.keys, positives.keys(n_items))
        return np.where(found >= 0, self.weights[found], 1.0) if len(self.keys) else np.ones(len(positives))


def whole_numbers(*columns: ArrayLike) -> tuple[NDArray[np.int64], ...]:
    """Return columns of indices, int64[n] each; InputError for other numbers, or for columns of several lengths."""
    found = tuple(_indices(column) for column in columns)
    if len({column.shape for column in found}) > 1 or found[0].ndim != 1:
        shapes = " and ".join(str(column.shape) for column in found)
        raise InputError(f"pairs need {len(found)} columns of one length, got shapes {shapes}")
    return found


def _indices(values: ArrayLike) -> NDArray[np.int64]:
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InputError("users and items must be columns of whole numbers, got lists of several lengths") from error
    if found.size and found.dtype.kind not in "iu":
        raise InputError(f"users and items must be whole numbers, got {found.dtype}; use dense indices")
    return found.astype(np.int64, copy=False)


def check_size(what: str, size: int) -> None:
    """Raise InputError unless there can be so many ``what``: products of two such sizes still fit an int64."""
    if not isinstance(size, (int, np.integer)) or not 0 <= size <= MOST:
        raise InputError(f"there are {size!r} {what}; give a whole number from 0 to {MOST}, indices are int32")
