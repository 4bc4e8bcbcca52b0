from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.cf import CFData, NegativePool, Positives, random_pool, shuffled_pool
from hnlm_ray.errors import InputError


def owners(data, pool):
    return data.train.pairs()[0][pool.edges()]


@pytest.mark.parametrize("control", [random_pool, shuffled_pool])
def test_a_control_is_a_legal_pool_and_repeats_with_its_seed(pooled, control):
    first, again, other = control(pooled, 1), control(pooled, 1), control(pooled, 2)
    replace(pooled, pool=first)  # CFData refuses training positives
    assert first.items.tolist() == again.items.tolist()
    assert first.items.tolist() != other.items.tolist()
    assert first.items.tolist() != pooled.pool.items.tolist()
    assert first.items.dtype == np.int32


def test_random_pool_keeps_sizes_and_weights_and_draws_uniformly(make_planted, make_pooled):
    data = make_pooled(make_planted(users=400), per_pair=6)
    pool = random_pool(data, 3)
    assert pool.indptr.tolist() == data.pool.indptr.tolist()
    assert pool.weights.tolist() == data.pool.weights.tolist()
    users = owners(data, pool)
    free = np.ones((data.users, data.items), bool)
    free[data.train.pairs()] = False
    expected = (free / free.sum(1, keepdims=True))[users].sum(0)
    assert stats.chisquare(np.bincount(pool.items, minlength=data.items), expected).pvalue > 1e-4


def test_shuffled_pool_permutes_the_same_items(pooled):
    pool = shuffled_pool(pooled, 3)
    assert pool.dropped == pooled.pool.dropped
    assert sorted(pool.items) == sorted(pooled.pool.items)
    assert pool.weights.tolist() == pooled.pool.weights.tolist()
    assert (pool.items == pooled.pool.items).mean() < 0.2


def test_shuffled_pool_drops_and_counts_what_it_could_not_place():
    # User u owns every item but u: the only legal pairing is the original one.
    n = 12
    users, items = np.nonzero(~np.eye(n, dtype=bool))
    train = Positives.from_pairs(users, items, n)
    first = np.unique(users, return_index=True)[1]
    pool = NegativePool.from_rows(train, users[first], items[first], np.arange(n), np.ones(n), n_items=n)
    control = shuffled_pool(CFData(n, n, train, pool=pool), 0)
    assert len(pool) == n
    assert control.dropped > n / 2
    assert len(control) + control.dropped == n


def test_controls_need_a_pool(data):
    for control in (random_pool, shuffled_pool):
        with pytest.raises(InputError, match="has none"):
            control(data, 1)
