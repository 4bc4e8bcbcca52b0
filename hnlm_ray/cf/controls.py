"""The control pools: what a semantic pool must beat to have meant anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.pool import NegativePool
from hnlm_ray.cf.sorted_keys import contains
from hnlm_ray.cf.unobserved import UnobservedItems
from hnlm_ray.errors import InputError

SHUFFLE_ROUNDS: Final = 20


def random_pool(data: CFData, seed: int) -> NegativePool:
    """Return a pool of the same sizes and weights, its items uniform among those unobserved by the user."""
    pool = _pool(data)
    generator = torch.Generator().manual_seed(seed)
    items = UnobservedItems(data, generator, "cpu").draw(torch.from_numpy(_owners(data, pool)))
    return replace(pool, items=items.numpy().astype(np.int32))


def shuffled_pool(data: CFData, seed: int) -> NegativePool:
    """Return the pool with its items permuted over all entries; sizes and weights stay in their places.

    An item that lands on a user who has it as a training positive is permuted again with as many random
    others, up to 20 times; what is left then is dropped and counted in ``dropped``.
    """
    pool = _pool(data)
    owners, observed = _owners(data, pool), data.train.keys(data.items)
    rng = np.random.default_rng(seed)
    items = rng.permutation(pool.items)
    for _ in range(SHUFFLE_ROUNDS):
        wrong = np.flatnonzero(contains(observed, owners * data.items + items))
        if len(wrong) == 0:
            break
        among = np.union1d(wrong, rng.integers(len(items), size=len(wrong)))
        items[among] = items[rng.permutation(among)]
    users, positives = data.train.pairs()
    edges = pool.edges()
    kept = NegativePool.from_rows(data.train, users[edges], positives[edges], items, pool.weights, n_items=data.items)
    return replace(kept, dropped=pool.dropped + kept.dropped)


def _pool(data: CFData) -> NegativePool:
    if data.pool is None:
        raise InputError("a control pool is made from a pool and the data has none; make the negative pool first")
    return data.pool


def _owners(data: CFData, pool: NegativePool) -> NDArray[np.int64]:
    return data.train.pairs()[0].astype(np.int64)[pool.edges()]
