"""What the false-negative model is fitted on: training positives held out from its features, and uniform items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.guard.features import PairFeatures

HELD_OUT: Final = 0.1
MOST_HELD_OUT: Final = 50_000
UNOBSERVED_EACH: Final = 20
CELLS_PER_BLOCK: Final = 2_000_000


@dataclass(frozen=True, eq=False)
class Questions:
    """Pairs whose answer is known: held-out positives, each with 20 uniform unobserved items of its user.

    Attributes
    ----------
    names
        Of the features.
    users
        int64[n], rising.
    features, answers
        float32[n, features]; bool[n], whether it is a held-out positive.
    """

    names: tuple[str, ...]
    users: NDArray[np.int64]
    features: NDArray[np.float32]
    answers: NDArray[np.bool_]


def ask(data: CFData, groups: tuple[str, ...], seed: int) -> Questions:
    """Hold out a tenth of the training positives (50,000 at most are asked) and compute features from the rest.

    Where ``groups`` read what an LLM says ('llm'), a positive that the user's text was written from
    (``data.user_text_from``) is not held out: its text would know it.
    Validation and test are never read. InputError where there is no pair to ask about.
    """
    users, items = data.train.pairs()
    usable = _usable(data, users, items, data.user_text_from if "llm" in groups else None)
    held_out = np.random.default_rng(seed).permutation(usable)[: max(1, round(HELD_OUT * len(usable)))]
    kept = np.delete(np.arange(len(users)), held_out)
    rest = Positives.from_pairs(users[kept], items[kept], data.users)
    asked = np.sort(held_out[:MOST_HELD_OUT])
    user, item, answers = _pairs(data, users[asked].astype(np.int64), items[asked], seed)
    known = PairFeatures(rest, data, groups)
    return Questions(known.names, user, _at(known, data, user, item), answers)


def _usable(
    data: CFData, users: NDArray[np.int32], items: NDArray[np.int32], written_from: Positives | None
) -> NDArray[np.int64]:
    usable = np.flatnonzero(data.train.degree[users] < data.items)
    if written_from is not None:
        usable = usable[written_from.edges(users[usable], items[usable], data.items) < 0]
    if len(usable) == 0:
        raise InputError(
            "there is no training pair to fit the guard on, whose user has an unobserved item and whose item the "
            "user's text was not written from; give more data"
        )
    return usable


def _pairs(
    data: CFData, users: NDArray[np.int64], items: NDArray[np.int32], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return user (rising), item, and whether the item is a held-out positive, of [n * 21] questions."""
    generator = torch.Generator().manual_seed(seed)
    owners = torch.from_numpy(users)[:, None].expand(-1, UNOBSERVED_EACH)
    unobserved = UnobservedItems(data, generator, "cpu").draw(owners).numpy()
    asked = np.column_stack([items, unobserved])
    answers = np.zeros(asked.shape, np.bool_)
    answers[:, 0] = True
    return np.repeat(users, asked.shape[1]), asked.ravel(), answers.ravel()


def _at(known: PairFeatures, data: CFData, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the features of pairs sorted by user, float32[pairs, features]."""
    found = []
    for block in blocks(data):
        among = slice(*np.searchsorted(users, [block.start, block.stop]))
        if among.start < among.stop:
            found.append(known.rows(block)[users[among] - block.start, items[among]])
    return np.concatenate(found)


def blocks(data: CFData) -> Iterator[slice]:
    """Cut the users into blocks of a bounded number of cells."""
    size = max(1, CELLS_PER_BLOCK // data.items)
    for start in range(0, data.users, size):
        yield slice(start, min(start + size, data.users))
