"""From the pairs of each split to the data of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.positives import Positives
from hnlm_ray.errors import InputError

SPARSEST: Final = 100
SPARE: Final = 1_000_000


@dataclass(frozen=True)
class Pairs:
    """Pairs of one split, int64 each; ``users`` is at least how many users there are."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    users: int = 0


def assemble(splits: Mapping[str, Pairs], place: str) -> CFData:
    """Return the data of some splits; ``place`` is named in errors.

    InputError for no training pair, a pair in two splits, or indices so far apart that nearly all rows of a
    model's table would belong to nobody.
    """
    if len(splits["train"].user) == 0:
        raise InputError(f"{place} has no training pair: give users that have items")
    users = max(max(pairs.users, _size(pairs.user)) for pairs in splits.values())
    items = max(_size(pairs.item) for pairs in splits.values())
    for what, size, seen in (("user", users, "user"), ("item", items, "item")):
        distinct = len(np.unique(np.concatenate([getattr(pairs, seen) for pairs in splits.values()])))
        if size > SPARSEST * distinct + SPARE:
            raise InputError(
                f"{place} has {distinct} {what}s with numbers up to {size - 1}: number them from 0 on without gaps"
            )
    made = {name: Positives.from_pairs(pairs.user, pairs.item, users) for name, pairs in splits.items()}
    return CFData(users, items, made["train"], made.get("validation"), made.get("test"))


def _size(values: NDArray[np.int64]) -> int:
    return int(values.max()) + 1 if len(values) else 0
