"""Small data sets with a planted structure."""

import numpy as np
import pytest
import torch

from hnlm_ray.cf import CFData, NegativePool, Positives


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
