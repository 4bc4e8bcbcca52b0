"""Vectors of training pairs in the LLM's space, aligned to the edges of the training CSR."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.positives import Positives, positions, whole_numbers

Vectors = NDArray[np.floating[Any]]
NORM_TOLERANCE: Final = 0.01
ROWS_PER_BLOCK: Final = 4096


@dataclass(frozen=True, eq=False)
class PairVectors:
    """The vector of a hard negative for each training pair that has one (HNLMRec's embedding form).

    Parameters
    ----------
    vectors
        float16 or float32[n, k], unit length.
    row
        int32[pairs]; edge e (the e-th pair of ``train.pairs()``) has ``vectors[row[e]]``, -1: it has none
        and its mix weight is 0.
    anchors
        float[items, k], catalogue items in the same space: what the adapter is aligned by; or none.
    anchored
        bool[items]: which items have an anchor; none: all that ``anchors`` has. Other rows are never read.
    positives, mined
        int32[n]: of each vector the positive item that it was made for, and the hard negative that the teacher mined
        for it (-1: none); controls are made from them. None where that isn't known.

    Raises
    ------
    InputError
        Shapes that don't fit, values that aren't finite, vectors that aren't of unit length.
    """

    vectors: Vectors
    row: NDArray[np.int32]
    anchors: Vectors | None = None
    anchored: NDArray[np.bool_] | None = None
    positives: NDArray[np.int32] | None = None
    mined: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.dtype not in (np.float16, np.float32):
            raise InputError(
                f"pair vectors must be float16 or float32[n, k], got {self.vectors.dtype}{list(self.vectors.shape)}; "
                "give one row a vector"
            )
        _reject_other_lengths(self.vectors)
        if len(self.row) and not -1 <= int(self.row.min()) <= int(self.row.max()) < len(self.vectors):
            raise InputError(f"a pair's row is outside -1..{len(self.vectors) - 1}; use -1 for a pair without vector")
        if self.anchors is not None:
            self._check_anchors(self.anchors)
        elif self.anchored is not None:
            raise InputError("anchored says which items have an anchor and there are none; give anchors too")

    def _check_anchors(self, anchors: Vectors) -> None:
        if anchors.ndim != 2 or anchors.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"anchors have shape {anchors.shape}, pair vectors {self.vectors.shape}; take both from one model"
            )
        lengths = _lengths(anchors)[self.anchored_items(len(anchors))]
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise InputError("an item's anchor is zero or not finite; leave it out by `anchored`")

    @classmethod
    def from_rows(
        cls,
        train: Positives,
        users: ArrayLike,
        items: ArrayLike,
        rows: ArrayLike,
        vectors: Vectors,
        *,
        n_items: int,
        anchors: Vectors | None = None,
        anchored: NDArray[np.bool_] | None = None,
    ) -> PairVectors:
        """Align rows (user, item, row of ``vectors``), in any order, to the edges of ``train``.

        InputError where a (user, item) is no training pair or occurs twice.
        """
        user, item, own = whole_numbers(users, items, rows)
        edge = train.edges(user, item, n_items)
        if (edge < 0).any():
            raise InputError(f"{int((edge < 0).sum())} vectors belong to no training pair; embed the pairs again")
        if len(np.unique(edge)) < len(edge):
            raise InputError(f"{len(edge) - len(np.unique(edge))} pairs have more than one vector; keep one a pair")
        row = np.full(len(train), -1, np.int32)
        row[edge] = own
        return cls(vectors, row, anchors, anchored)

    @property
    def covered(self) -> NDArray[np.int64]:
        """The edges that have a vector, int64, increasing."""
        return np.flatnonzero(self.row >= 0)

    @property
    def coverage(self) -> float:
        """Share of training pairs that have a vector."""
        return len(self.covered) / len(self.row) if len(self.row) else 0.0

    def anchored_items(self, n_items: int) -> NDArray[np.bool_]:
        """Return which items have an anchor, bool[items]; InputError where a mask has another length."""
        if self.anchored is None:
            return np.full(n_items, self.anchors is not None)
        if self.anchored.shape != (n_items,):
            raise InputError(f"anchored has shape {self.anchored.shape}, there are {n_items} anchors; give one an item")
        return self.anchored

    def check(self, train: Positives, n_items: int) -> None:
        """Raise InputError unless the vectors are aligned to ``train`` and the anchors to the items."""
        if len(self.row) != len(train):
            raise InputError(f"vectors are aligned to {len(self.row)} pairs, train has {len(train)}; align them again")
        if self.anchors is not None and len(self.anchors) != n_items:
            raise InputError(f"there are {len(self.anchors)} anchors and {n_items} items; give one row an item")

    def realigned(self, old: Positives, new: Positives, n_items: int) -> PairVectors:
        """Return the same vectors aligned to ``new``, a superset of ``old``; a new pair has none."""
        row = np.full(len(new), -1, np.int32)
        row[positions(new.keys(n_items), old.keys(n_items))] = self.row
        return replace(self, row=row)


def _reject_other_lengths(vectors: Vectors) -> None:
    lengths = _lengths(vectors)
    if not np.isfinite(lengths).all():
        raise InputError(f"{int((~np.isfinite(lengths)).sum())} pair vectors aren't finite; leave their pairs out")
    if (wrong := int((abs(lengths - 1) > NORM_TOLERANCE).sum())) > 0:
        raise InputError(f"{wrong} pair vectors aren't of unit length; normalise them")


def _lengths(vectors: Vectors) -> NDArray[np.float32]:
    # In blocks: a float32 copy of all of them would double the memory.
    blocks = np.split(vectors, range(ROWS_PER_BLOCK, len(vectors), ROWS_PER_BLOCK))
    return np.concatenate([np.linalg.norm(block.astype(np.float32), axis=1) for block in blocks])
