"""The false-negative model: how likely an unobserved item is a positive that has not been seen yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.guard.features import PairFeatures, standardised
from hnlm_ray.cf.guard.regression import Regression, fit_regression
from hnlm_ray.cf.positives import Positives
from hnlm_ray.cf.unobserved import UnobservedItems
from hnlm_ray.errors import InputError

HELD_OUT: Final = 0.1
MOST_HELD_OUT: Final = 50_000
UNOBSERVED_EACH: Final = 20
MOST_CELLS: Final = 200_000_000
CELLS_PER_BLOCK: Final = 2_000_000


def false_negative_logits(data: CFData, features: str, seed: int) -> NDArray[np.float16]:
    """Return g, float16[users, items]: the logit of being a false negative, standardised in each row.

    A logistic regression on :class:`PairFeatures` is fitted on a tenth of the training positives (50,000
    at most), held out from the features, against 20 uniform unobserved items each; then the features are
    computed again on all of train. Rows are standardised over the user's unobserved items; the entries of
    training positives, which are never candidates, are 0. Validation and test are never read.

    Parameters
    ----------
    features
        'cf', 'text' or 'full'.
    seed
        Of the held-out pairs and their unobserved items.

    Raises
    ------
    InputError
        More than 2e8 cells (users x items), more than 20,000 items with 'cf' or 'full', no text with
        'text' or 'full', or no training pair whose user has an unobserved item.
    """
    cells = data.users * data.items
    if cells > MOST_CELLS:
        raise InputError(f"cf.guard keeps a belief for users x items, {cells} here, at most {MOST_CELLS}; set it 0")
    model = _fit(data, features, seed)
    known = PairFeatures(data.train, data.items, features, data.item_text)
    logits = np.empty((data.users, data.items), np.float16)
    for users in _blocks(data):
        logits[users] = standardised(model.logits(known.rows(users)), known.unobserved(users))
    return logits


def _fit(data: CFData, features: str, seed: int) -> Regression:
    users, items = data.train.pairs()
    usable = np.flatnonzero(data.train.degree[users] < data.items)
    if len(usable) == 0:
        raise InputError("there is no training pair whose user has an unobserved item; give more data")
    held_out = np.random.default_rng(seed).permutation(usable)[: max(1, round(HELD_OUT * len(usable)))]
    kept = np.delete(np.arange(len(users)), held_out)
    rest = Positives.from_pairs(users[kept], items[kept], data.users)
    asked = np.sort(held_out[:MOST_HELD_OUT])
    user, item, answer = _questions(data, users[asked].astype(np.int64), items[asked], seed)
    return fit_regression(_at(PairFeatures(rest, data.items, features, data.item_text), data, user, item), answer)


def _questions(
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
    for block in _blocks(data):
        among = slice(*np.searchsorted(users, [block.start, block.stop]))
        found.append(known.rows(block)[users[among] - block.start, items[among]])
    return np.concatenate(found)


def _blocks(data: CFData) -> Iterator[slice]:
    size = max(1, CELLS_PER_BLOCK // data.items)
    for start in range(0, data.users, size):
        yield slice(start, min(start + size, data.users))
