"""Small data sets with a planted structure."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import CFData, NegativePool, PairVectors, Positives


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def planted(users=60, items=80, groups=4, per_user=12, seed=0):
    """Users like items of their own group, nine times in ten; split 8 / 2 / 2."""
    rng = np.random.default_rng(seed)
    splits = ([], [], [])
    for user in range(users):
        odds = np.where(np.arange(items) % groups == user % groups, 9.0, 1.0)
        liked = rng.choice(items, per_user, replace=False, p=odds / odds.sum())
        for split, part in zip(splits, np.split(liked, [per_user - 4, per_user - 2]), strict=True):
            split.extend((user, item) for item in part)
    train, validation, test = (Positives.from_pairs(*np.array(split).T, users) for split in splits)
    return CFData(users, items, train, validation, test)


def with_pool(data, per_pair=3, covered=0.7, seed=0):
    """Random negatives, some of them training positives (which from_rows drops)."""
    rng = np.random.default_rng(seed)
    users, items = data.train.pairs()
    edges = np.repeat(np.flatnonzero(rng.random(len(users)) < covered), per_pair)
    negatives, weights = rng.integers(data.items, size=len(edges)), rng.random(len(edges)) + 0.1
    pool = NegativePool.from_rows(data.train, users[edges], items[edges], negatives, weights, n_items=data.items)
    return CFData(data.users, data.items, data.train, data.validation, data.test, pool)


def unit(rng, *shape):
    rows = rng.standard_normal(shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def with_vectors(data, k=12, covered=0.7, anchored=0.8, seed=0):
    """A vector of its own for most pairs, stored in another order than the edges; anchors for most items."""
    rng = np.random.default_rng(seed)
    users, items = data.train.pairs()
    edges = rng.permutation(np.flatnonzero(rng.random(len(users)) < covered))
    has_anchor = rng.random(data.items) < anchored
    vectors = PairVectors.from_rows(
        data.train,
        users[edges],
        items[edges],
        np.arange(len(edges)),
        unit(rng, len(edges), k),
        n_items=data.items,
        anchors=np.where(has_anchor[:, None], unit(rng, data.items, k), np.nan).astype(np.float32),
        anchored=has_anchor,
    )
    return replace(data, vectors=vectors)


def with_text(data, groups=4, t=10, seed=0):
    """Text vectors that tell an item's group, with an offset that all share."""
    rng = np.random.default_rng(seed)
    of_group = rng.standard_normal((groups, t))[np.arange(data.items) % groups]
    return replace(data, item_text=(of_group + rng.standard_normal((data.items, t)) + 3).astype(np.float32))


@pytest.fixture
def data():
    return planted()


@pytest.fixture
def pooled(data):
    return with_pool(data)


@pytest.fixture
def make_planted():
    return planted


@pytest.fixture
def make_pooled():
    return with_pool


@pytest.fixture
def vectored(data):
    return with_vectors(data)


@pytest.fixture
def texted(data):
    return with_text(data)


@pytest.fixture
def make_vectored():
    return with_vectors


@pytest.fixture
def make_texted():
    return with_text
