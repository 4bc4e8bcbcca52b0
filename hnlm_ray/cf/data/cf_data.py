"""What a CF training reads: positives in CSR form, the aligned pool of negatives, the three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.base.errors import DivergedError, InputError
from hnlm_ray.cf.data.judgements import Judgements
from hnlm_ray.cf.data.pair_vectors import PairVectors
from hnlm_ray.cf.data.pool import NegativePool
from hnlm_ray.cf.data.positives import PairWeights, Positives, check_size, contains
from hnlm_ray.cf.scoring import Scorer

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
    facts_text
        The same of what is known of the items without an LLM: what a control reads in the place of what it wrote.
    user_text
        Text vectors of the users in the same space, float32[users, t]; none: models take the mean over the
        user's training items (:func:`hnlm_ray.cf.data.text.user_text`). A semantic teacher adds them to what the items
        say (``teacher.llm_profile``).
    user_text_from
        The training positives that the users' texts were written from; none: what the texts know is not told.
    judgements
        What an LLM said of pairs that are no training positives.
    triples
        Augmented triples, int64[n, 3]: user, preferred item, rejected item (model llmrec).
    teacher
        Scores that are distilled into the model.
    weights
        How often each positive is drawn, by losses of pairs; none: equally often. Solved models and losses that take
        whole users don't read them (:func:`hnlm_ray.cf.training.settings_read.reads_weights`).

    Raises
    ------
    InputError
        Shapes that don't fit, a pair in two splits, a pool item that its user has a training positive with,
        text vectors that aren't finite, a teacher of other users or items, or whose scores aren't finite.
    """

    users: int
    items: int
    train: Positives
    validation: Positives | None = None
    test: Positives | None = None
    pool: NegativePool | None = None
    vectors: PairVectors | None = None
    item_text: NDArray[np.float32] | None = None
    facts_text: NDArray[np.float32] | None = None
    user_text: NDArray[np.float32] | None = None
    user_text_from: Positives | None = None
    judgements: Judgements | None = None
    triples: NDArray[np.int64] | None = None
    teacher: Scorer | None = None
    weights: PairWeights | None = None

    def __post_init__(self) -> None:
        check_size("users", self.users)
        check_size("items", self.items)
        # Rows of a table that holds both are numbered by int32 where it is multiplied.
        check_size("users and items", self.users + self.items)
        self._check_splits()
        if self.pool is not None:
            self.pool.check(self.train, self.items)
        if self.vectors is not None:
            self.vectors.check(self.train, self.items)
        for name, text, rows in (
            ("item_text", self.item_text, self.items),
            ("facts_text", self.facts_text, self.items),
            ("user_text", self.user_text, self.users),
        ):
            if text is not None:
                _check_text(name, text, rows)
        self._check_llm()
        if self.triples is not None:
            _check_triples(self.triples, self.users, self.items)
        if self.teacher is not None:
            _check_teacher(self.teacher, self.users, self.items)

    def _check_splits(self) -> None:
        if not isinstance(self.train, Positives):
            raise InputError(
                f"train is {type(self.train).__name__}; give Positives, without a pair where there is none"
            )
        seen: list[tuple[str, NDArray[np.int64]]] = []
        for name, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if split is None:
                continue
            split.check(self.users, self.items, name)
            keys = split.keys(self.items)
            for other, other_keys in seen:
                _reject_shared(keys, other_keys, f"{other} and {name}")
            seen.append((name, keys))

    def _check_llm(self) -> None:
        judged = None if self.judgements is None else self.judgements.pairs
        for name, pairs in (("user_text_from", self.user_text_from), ("judgements", judged)):
            if pairs is not None:
                pairs.check(self.users, self.items, name)
        if judged is not None:
            _reject_shared(self.train.keys(self.items), judged.keys(self.items), "train and judgements")

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


def _check_text(name: str, text: NDArray[np.float32], rows: int) -> None:
    if not isinstance(text, np.ndarray) or text.ndim != 2 or len(text) != rows or text.dtype != np.float32:
        found = np.asarray(text)
        raise InputError(f"{name} must be float32[{rows}, t], got {found.dtype}{list(found.shape)}; give one row each")
    if not np.isfinite(text).all():
        raise InputError(f"{name} has a vector that isn't finite; give zeros where there is no text")


def _check_triples(triples: NDArray[np.int64], users: int, items: int) -> None:
    if triples.ndim != 2 or triples.shape[1] != 3 or triples.dtype != np.int64:
        raise InputError(f"triples must be int64[n, 3], got {triples.dtype}{list(triples.shape)}")
    if len(triples) and ((triples < 0).any() or (triples.max(0) >= (users, items, items)).any()):
        raise InputError(f"a triple has a user outside 0..{users - 1} or an item outside 0..{items - 1}; use indices")


def _check_teacher(teacher: Scorer, users: int, items: int) -> None:
    if teacher.items != items:
        raise InputError(f"the teacher scores {teacher.items} items and the data has {items}; give one of this data")
    try:
        teacher.check()
        # A scorer doesn't say how many users it knows: the last one is asked for.
        if users:
            teacher.scores(torch.tensor([users - 1], device=teacher.device))
    except DivergedError as error:
        raise InputError(f"the teacher can't be used, {error}") from error
    except IndexError as error:
        raise InputError(f"the teacher has no scores of user {users - 1}; give one of this data") from error


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
    judged = None if data.judgements is None else data.judgements.without(train, data.items)
    left = replace(data, validation=validation, test=test, judgements=judged)
    return replace(left, train=train, pool=pool, vectors=vectors)


def _realigned(pool: NegativePool, old: Positives, new: Positives, n_items: int) -> NegativePool:
    users, items = old.pairs()
    edges = pool.edges()
    moved = NegativePool.from_rows(new, users[edges], items[edges], pool.items, pool.weights, n_items=n_items)
    return replace(moved, dropped=moved.dropped + pool.dropped)
