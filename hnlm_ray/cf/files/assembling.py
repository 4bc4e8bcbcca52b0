"""From the pairs of each split to the data of a training.

Holding out a part of the training positives as validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives

SHARE: Final = 0.1
LEAST: Final = 5


def hold_out(data: CFData, seed: int, share: float = SHARE) -> CFData:
    """Move a random ``share`` of each user's training positives (of users with at least 5) to validation.

    At least one of each such user is moved and most stay; test is not looked at. InputError where no user has so
    many, or there is validation already.
    """
    if data.validation is not None:
        raise InputError("the data has validation positives already; use them")
    users, items = data.train.pairs()
    degree = data.train.degree
    shuffled = np.random.default_rng(seed).permutation(len(users))
    # Each user's pairs side by side, in random order: the first few of them go.
    order = shuffled[np.argsort(users[shuffled], kind="stable")]
    place = np.arange(len(users)) - data.train.indptr[users[order]]
    wanted = np.where(degree >= LEAST, np.maximum(1, np.round(share * degree)), 0)
    moved = order[place < wanted[users[order]]]
    if len(moved) == 0:
        raise InputError(f"no user has {LEAST} training positives, so none can be held out; set cf.validation none")
    kept = np.setdiff1d(np.arange(len(users)), moved)
    train, validation = (Positives.from_pairs(users[part], items[part], data.users) for part in (kept, moved))
    return replace(data, train=train, validation=validation)


SPARSEST: Final = 100
SPARE: Final = 1_000_000


@dataclass(frozen=True)
class Pairs:
    """Pairs of one split, whole numbers each; ``users`` is at least how many users there are."""

    user: NDArray[np.integer]
    item: NDArray[np.integer]
    users: int = 0


def assemble(splits: Mapping[str, Pairs], place: str) -> CFData:
    """Return the data of some splits; one without pairs is none. ``place`` is named in errors.

    InputError for no training pair, a pair given twice or in two splits, or indices so far apart that nearly all rows
    of a model's table would belong to nobody.
    """
    if "train" not in splits or len(splits["train"].user) == 0:
        raise InputError(f"{place} has no training pair: give users that have items")
    users = max(max(pairs.users, _size(pairs.user)) for pairs in splits.values())
    items = max(_size(pairs.item) for pairs in splits.values())
    _reject_gaps("user", [pairs.user for pairs in splits.values()], users, place)
    _reject_gaps("item", [pairs.item for pairs in splits.values()], items, place)
    try:
        made = {name: Positives.from_pairs(pairs.user, pairs.item, users) for name, pairs in splits.items()}
        return CFData(users, items, made["train"], made.get("validation") or None, made.get("test") or None)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _size(values: NDArray[np.integer]) -> int:
    return int(values.max()) + 1 if len(values) else 0


def _reject_gaps(what: str, columns: list[NDArray[np.integer]], size: int, place: str) -> None:
    if size <= SPARE:
        return
    distinct = len(np.unique(np.concatenate(columns)))
    if size > SPARSEST * distinct + SPARE:
        raise InputError(
            f"{place} has {distinct} {what}s with numbers up to {size - 1}: number them from 0 on without gaps"
        )
