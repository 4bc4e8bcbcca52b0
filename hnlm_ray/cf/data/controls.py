"""The controls: what a semantic pool, vectors or text must beat to have meant anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.pair_vectors import PairVectors
from hnlm_ray.cf.data.pool import NegativePool
from hnlm_ray.cf.data.positives import contains
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.kernels.neighbours import centred, unit_rows
from hnlm_ray.cf.kernels.top_k import top_k

SHUFFLE_ROUNDS: Final = 20
SPARE_NEIGHBOURS: Final = 64
"""Neighbours by facts that are found beyond the largest pair's entries, for some are the user's own."""
CELLS_AT_ONCE: Final = 2**24
"""Cosines that are held at a time."""


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


def facts_pool(data: CFData) -> NegativePool:
    """Return a pool of the same sizes and weights without an LLM: the items whose facts are nearest to the positive's.

    So every text that an LLM wrote is replaced by the facts of the item that it was asked about. Cosines are those of
    centred vectors; of equal ones the lower item comes first. The user's training positives are passed over; a pair
    whose item has no facts gets no entry. Neighbours are found once an item, a few more than the largest pair has
    entries; a pair all but some of whose nearest are its user's own is looked up anew.
    """
    pool = _pool(data)
    if data.facts_text is None:
        raise InputError("a pool by facts is made from the items' facts and the data has none; encode them first")
    unit = torch.from_numpy(unit_rows(centred(data.facts_text)))
    positives, sizes = data.train.pairs()[1], np.diff(pool.indptr)
    wanted = np.flatnonzero((sizes > 0) & unit.any(1).numpy()[positives])
    if len(wanted) == 0:
        return replace(pool, indptr=np.zeros_like(pool.indptr), items=pool.items[:0], weights=pool.weights[:0])
    few = min(int(sizes[wanted].max()) + SPARE_NEIGHBOURS, data.items)
    own, place = np.unique(positives[wanted], return_inverse=True)
    near = _nearest(unit, own, few)[place]
    lacking = (_unseen(near, wanted, data).sum(1) < sizes[wanted]) & (near[:, -1] >= 0)
    blocks = np.array_split(wanted[lacking], max(1, -(-int(lacking.sum()) * data.items // CELLS_AT_ONCE)))
    anew = [_entries(pool, edges, _nearest(unit, positives[edges], data.items), data) for edges in blocks]
    parts = [_entries(pool, wanted[~lacking], near[~lacking], data), *anew]
    edge, items, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    users = data.train.pairs()[0]
    return NegativePool.from_rows(data.train, users[edge], positives[edge], items, weights, n_items=data.items)


def _nearest(unit: Tensor, items: NDArray[np.int32], k: int) -> NDArray[np.int64]:
    """Return the k items nearest to each of some items, int64[n, k]; -1 where fewer have facts."""
    untold, found = ~unit.any(1), [np.zeros((0, k), np.int64)]
    for block in np.array_split(items.astype(np.int64), max(1, -(-len(items) * len(unit) // CELLS_AT_ONCE))):
        cosines = unit[torch.from_numpy(block)] @ unit.T
        cosines[:, untold] = -torch.inf
        values, columns = top_k(cosines, k)
        found.append(np.where(torch.isfinite(values).numpy(), columns.numpy(), -1))
    return np.concatenate(found)


def _unseen(near: NDArray[np.int64], edges: NDArray[np.int64], data: CFData) -> NDArray[np.bool_]:
    """Return which items, int64[n, k], are there and no training positive of the pairs' users."""
    users = data.train.pairs()[0].astype(np.int64)[edges]
    return (near >= 0) & ~contains(data.train.keys(data.items), users[:, None] * data.items + np.maximum(near, 0))


def _entries(
    pool: NegativePool, edges: NDArray[np.int64], near: NDArray[np.int64], data: CFData
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return edge, item and weight of the entries of some pairs: the k-th nearest item has the k-th weight."""
    unseen = _unseen(near, edges, data)
    rank = unseen.cumsum(1) - 1
    place, column = np.nonzero(unseen & (rank < np.diff(pool.indptr)[edges][:, None]))
    first = pool.indptr[edges][place]
    return edges[place], near[place, column], pool.weights[first + rank[place, column]]


def teacher_vectors(data: CFData) -> PairVectors:
    """Return the vectors of the same pairs without an LLM: of the hard negative that the teacher mined for each.

    A pair for which none was mined has no vector.
    """
    return _of_items(data, "mined")


def item_vectors(data: CFData) -> PairVectors:
    """Return the vectors of the same pairs without an LLM: the positive item's own in the teacher's space."""
    return _of_items(data, "positives")


def _of_items(data: CFData, of: Literal["mined", "positives"]) -> PairVectors:
    vectors = _vectors(data)
    items = getattr(vectors, of)
    if items is None or vectors.anchors is None:
        raise InputError(f"control vectors need to know which items the pairs' vectors are about ({of}): give them")
    known = (items >= 0) & vectors.anchored_items(data.items)[np.maximum(items, 0)]
    row = np.where((vectors.row >= 0) & known[np.maximum(vectors.row, 0)], items[np.maximum(vectors.row, 0)], -1)
    unit = unit_rows(vectors.anchors.astype(np.float32)).astype(vectors.vectors.dtype)
    used = np.unique(row[row >= 0])
    return replace(
        vectors,
        vectors=unit[used],
        row=np.where(row >= 0, np.searchsorted(used, row), -1).astype(np.int32),
        positives=None,
        mined=None,
    )


def random_vectors(data: CFData, seed: int) -> PairVectors:
    """Return vectors of the same shape and coverage, uniform on the unit sphere; anchors stay."""
    vectors = _vectors(data)
    normal = np.random.default_rng(seed).standard_normal(vectors.vectors.shape, dtype=np.float32)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return replace(vectors, vectors=unit.astype(vectors.vectors.dtype))


def shuffled_vectors(data: CFData, seed: int) -> PairVectors:
    """Return the vectors permuted over the pairs that have one; anchors stay.

    No pair keeps its own, unless one vector belongs to more than half of them.
    """
    vectors = _vectors(data)
    row = vectors.row.copy()
    row[vectors.covered] = _deranged(row[vectors.covered], seed)
    return replace(vectors, row=row)


def shuffled_text(data: CFData, seed: int) -> NDArray[np.float32]:
    """Return ``item_text`` with its rows permuted, no item keeping its own (given two items)."""
    if data.item_text is None:
        raise InputError("a control text is made from the items' text vectors and the data has none; embed them first")
    text: NDArray[np.float32] = data.item_text[_deranged(np.arange(data.items), seed)]
    return text


def shuffled_evidence(data: CFData, seed: int) -> CFData:
    """Return the data with all that an LLM or an encoder says of users and items given to others.

    Texts of items and of users, vectors of pairs, anchors of items, and verdicts among the judged pairs (these pairs
    were chosen by behaviour and text, not by the LLM, and stay); each where there is one.
    """
    user_text, judged, vectors = data.user_text, data.judgements, data.vectors
    if user_text is not None:
        user_text = user_text[_deranged(np.arange(data.users), seed)]
    if judged is not None:
        judged = replace(judged, verdicts=np.random.default_rng(seed).permutation(judged.verdicts))
    if vectors is not None:
        vectors = _with_shuffled_anchors(shuffled_vectors(data, seed), data.items, seed)
    return replace(data, item_text=shuffled_text(data, seed), user_text=user_text, judgements=judged, vectors=vectors)


def _with_shuffled_anchors(vectors: PairVectors, items: int, seed: int) -> PairVectors:
    if vectors.anchors is None:
        return vectors
    anchors, anchored = vectors.anchors.copy(), np.flatnonzero(vectors.anchored_items(items))
    anchors[anchored] = vectors.anchors[_deranged(anchored, seed)]
    return replace(vectors, anchors=anchors)


def _deranged(labels: NDArray[np.integer], seed: int) -> NDArray[np.integer]:
    """Return the labels permuted at random so that no place keeps its label, as far as can be.

    Places are put in a random order with equal labels side by side, and the labels rotated by the largest
    group: then a place could meet its label only where that group is more than half of all.
    """
    if len(labels) == 0:
        return labels
    _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.permutation(len(labels)), rng.permutation(len(size))[group]))
    deranged = labels.copy()
    deranged[order] = np.roll(labels[order], size.max())
    return deranged


def _vectors(data: CFData) -> PairVectors:
    if data.vectors is None:
        raise InputError("control vectors are made from pair vectors and the data has none; embed the pairs first")
    return data.vectors


def _pool(data: CFData) -> NegativePool:
    if data.pool is None:
        raise InputError("a control pool is made from a pool and the data has none; make the negative pool first")
    return data.pool


def _owners(data: CFData, pool: NegativePool) -> NDArray[np.int64]:
    return data.train.pairs()[0].astype(np.int64)[pool.edges()]
