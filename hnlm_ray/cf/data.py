"""What a CF training reads: positives in CSR form, the aligned pool of negatives, the three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.pool import NegativePool
from hnlm_ray.cf.positives import Positives
from hnlm_ray.cf.sorted_keys import contains
from hnlm_ray.cf.vectors import PairVectors
from hnlm_ray.errors import InputError

HeldOut = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class CFData:
    """Everything one CF training reads.

    Parameters
    ----------
    users, items
        How many there are; indices are dense, 0..n-1.
    train, validation, test
        Disjoint positives. Nothing but ``train`` shapes a model or a negative.
    pool
        Semantic negatives of the training pairs, in the order of ``train.pairs()``.
    vectors
        The LLM's hard-negative vectors of the training pairs, in the same order.
    item_text
        Text vectors of the items, float32[items, t]; a row of zeros is an item without text.

    Raises
    ------
    InputError
        Shapes that don't fit, a pair in two splits, a pool item that its user has a training positive with,
        text vectors that aren't finite.
    """

    users: int
    items: int
    train: Positives
    validation: Positives | None = None
    test: Positives | None = None
    pool: NegativePool | None = None
    vectors: PairVectors | None = None
    item_text: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        seen: list[tuple[str, NDArray[np.int64]]] = []
        for name, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if split is None:
                continue
            split.check(self.users, self.items, name)
            keys = split.keys(self.items)
            for other, other_keys in seen:
                _reject_shared(keys, other_keys, f"{other} and {name}")
            seen.append((name, keys))
        if self.pool is not None:
            self.pool.check(self.train, self.items)
        if self.vectors is not None:
            self.vectors.check(self.train, self.items)
        if self.item_text is not None:
            _check_text(self.item_text, self.items)

    def held_out(self, split: str) -> Positives:
        """Return the positives of 'validation' or 'test'; InputError where there are none."""
        found = {"validation": self.validation, "test": self.test}.get(split)
        if found is None or len(found) == 0:
            raise InputError(f"there are no positives to evaluate in split {split!r}; choose one that has some")
        return found

    def seen_before(self, split: str) -> tuple[Positives, ...]:
        """Return what is masked when ``split`` is ranked: train, and validation too before test."""
        if split == "test" and self.validation is not None:
            return (self.train, self.validation)
        return (self.train,)


def _reject_shared(keys: NDArray[np.int64], other: NDArray[np.int64], splits: str) -> None:
    shared = int(contains(other, keys).sum())
    if shared:
        raise InputError(f"{shared} (user, item) pairs are in {splits}; every pair belongs to one split")


def _check_text(text: NDArray[np.float32], items: int) -> None:
    if text.ndim != 2 or len(text) != items or text.dtype != np.float32:
        raise InputError(
            f"item_text must be float32[{items}, t], got {text.dtype}{list(text.shape)}; give one row an item"
        )
    if not np.isfinite(text).all():
        raise InputError("an item's text vector isn't finite; give zeros for an item without text")


def with_validation_in_train(data: CFData) -> CFData:
    """Return the data with the validation positives moved into train (``cf.validation: none``)."""
    return with_held_out_in_train(data, ("validation",))


def with_held_out_in_train(data: CFData, splits: Sequence[HeldOut] = ("validation", "test")) -> CFData:
    """Return the data with the positives of some splits moved into train; those splits are then none.

    The pool keeps the rows of the old training pairs; a pool item that has now become a training
    positive of its user is dropped and counted in ``pool.dropped``. New pairs have no entry and no vector.
    """
    moved = [split for name in splits if (split := getattr(data, name)) is not None]
    if not moved:
        return data
    users, items = (np.concatenate(column) for column in zip(*(p.pairs() for p in (data.train, *moved)), strict=True))
    train = Positives.from_pairs(users, items, data.users)
    pool = None if data.pool is None else _realigned(data.pool, data.train, train, data.items)
    vectors = None if data.vectors is None else data.vectors.realigned(data.train, train, data.items)
    validation, test = (
        None if name in splits else split for name, split in (("validation", data.validation), ("test", data.test))
    )
    return replace(data, train=train, validation=validation, test=test, pool=pool, vectors=vectors)


def _realigned(pool: NegativePool, old: Positives, new: Positives, n_items: int) -> NegativePool:
    users, items = old.pairs()
    edges = pool.edges()
    moved = NegativePool.from_rows(new, users[edges], items[edges], pool.items, pool.weights, n_items=n_items)
    return replace(moved, dropped=moved.dropped + pool.dropped)
