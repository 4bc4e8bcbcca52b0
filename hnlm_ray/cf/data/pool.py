"""Semantic negatives of training pairs, aligned to the edges of the training CSR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.positives import Positives, contains, whole_numbers


@dataclass(frozen=True, eq=False)
class NegativePool:
    """Weighted negatives of each training pair.

    Parameters
    ----------
    indptr
        int64[pairs + 1]; the negatives of edge e (the e-th pair of ``train.pairs()``) are
        ``items[indptr[e]:indptr[e + 1]]``. Empty: the base sampler's negative is used alone.
    items
        int32[entries], catalogue items.
    weights
        float32[entries], above 0: how often an entry is drawn, against the others of its pair.
    dropped
        Entries left out when the pool was made, because they were training positives of their user.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    dropped: int = 0

    @classmethod
    def from_rows(
        cls,
        train: Positives,
        users: ArrayLike,
        items: ArrayLike,
        negatives: ArrayLike,
        weights: ArrayLike,
        *,
        n_items: int,
    ) -> NegativePool:
        """Align rows (user, item, negative item, weight), in any order, to the edges of ``train``.

        Negatives that are training positives of their user are dropped and counted; rows of weight 0,
        which could never be drawn, are left out. The order of a pair's rows is kept.
        InputError where a row's (user, item) is no training pair.
        """
        user, item, negative = whole_numbers(users, items, negatives)
        weight = np.asarray(weights, np.float32)
        if weight.shape != negative.shape:
            raise InputError(f"the pool has {len(negative)} negatives and weights {list(weight.shape)}; give one each")
        if len(negative) and (negative.min() < 0 or negative.max() >= n_items):
            raise InputError(f"the pool has a negative outside 0..{n_items - 1}; use dense item indices")
        edge = train.edges(user, item, n_items)
        if (edge < 0).any():
            raise InputError(f"{int((edge < 0).sum())} rows of the pool belong to no training pair; rebuild the pool")
        observed = contains(train.keys(n_items), user * n_items + negative)
        kept = ~observed & (weight != 0)
        entries = np.flatnonzero(kept)[np.argsort(edge[kept], kind="stable")]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(edge[kept], minlength=len(train)))]).astype(np.int64)
        return cls(indptr, negative[entries].astype(np.int32), weight[entries], int(observed.sum()))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def coverage(self) -> float:
        """Share of training pairs that have at least one entry."""
        pairs = len(self.indptr) - 1
        return float((np.diff(self.indptr) > 0).sum() / pairs) if pairs else 0.0

    def edges(self) -> NDArray[np.int64]:
        """Return the edge of every entry, int64[entries], rising."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def check(self, train: Positives, n_items: int) -> None:
        """Raise InputError unless the pool is aligned to ``train`` and holds none of its positives."""
        if len(self.indptr) != len(train) + 1 or self.indptr[-1] != len(self.items):
            raise InputError(f"the pool is aligned to {len(self.indptr) - 1} pairs, train has {len(train)}; rebuild it")
        if len(self.items) and (self.items.min() < 0 or self.items.max() >= n_items):
            raise InputError(f"the pool has an item outside 0..{n_items - 1}; use dense item indices")
        edges = self.edges()
        if not np.isfinite(self.weights).all() or (self.weights <= 0).any():
            raise InputError("pool weights must be finite and above 0; leave other entries out")
        owners = train.pairs()[0].astype(np.int64)[edges]
        seen = int(contains(train.keys(n_items), owners * n_items + self.items).sum())
        if seen:
            raise InputError(f"{seen} pool entries are training positives of their user; build the pool by from_rows")
