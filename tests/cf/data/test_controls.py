from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import (
    CFData,
    NegativePool,
    PairVectors,
    Positives,
    random_pool,
    random_vectors,
    shuffled_evidence,
    shuffled_pool,
    shuffled_text,
    shuffled_vectors,
)


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


@pytest.mark.parametrize("control", [random_vectors, shuffled_vectors, shuffled_text])
def test_a_control_repeats_with_its_seed_and_needs_its_original(make_vectored, texted, data, control):
    given = make_vectored(texted)
    first, again, other = (_numbers(control(given, seed)) for seed in (1, 1, 2))
    assert first == again != other
    with pytest.raises(InputError, match="has none"):
        control(data, 1)


def _numbers(made):
    return (made.row.tolist(), made.vectors.tolist()) if isinstance(made, PairVectors) else made.tolist()


def test_random_vectors_keep_shape_coverage_and_anchors(vectored):
    given = replace(vectored.vectors, vectors=vectored.vectors.vectors.astype(np.float16))
    control = random_vectors(replace(vectored, vectors=given), 1)
    assert (control.vectors.shape, control.vectors.dtype) == (given.vectors.shape, np.float16)
    assert control.row is given.row
    assert control.anchors is given.anchors
    np.testing.assert_allclose(np.linalg.norm(control.vectors.astype(float), axis=1), 1, atol=1e-3)
    assert abs((control.vectors.astype(float) * given.vectors).sum(1).mean()) < 0.1
    assert abs(control.vectors.mean(dtype=float)) < 0.02


def test_shuffled_vectors_stay_with_the_covered_pairs_and_no_pair_keeps_its_own(vectored):
    for seed in range(20):
        control = shuffled_vectors(vectored, seed)
        assert np.array_equal(control.covered, vectored.vectors.covered)
        assert sorted(control.row) == sorted(vectored.vectors.row)
        kept = control.row[control.covered] == vectored.vectors.row[control.covered]
        assert not kept.any()
        assert control.vectors is vectored.vectors.vectors


@pytest.mark.parametrize(("rows", "kept"), [([0, 0, 1, 1, 2], 0), ([0, 0, 0, 1, 2, -1], 1), ([0, 0], 2), ([-1], 0)])
def test_shared_vectors_are_kept_only_where_it_cant_be_avoided(rows, kept):
    train = Positives.from_pairs(np.zeros(len(rows), int), np.arange(len(rows)), 1)
    data = CFData(1, 9, train, vectors=PairVectors(np.eye(3, dtype=np.float32), np.array(rows, np.int32)))
    for seed in range(10):
        control = shuffled_vectors(data, seed)
        assert ((control.row == rows) & (control.row >= 0)).sum() == kept


def test_shuffled_text_permutes_whole_rows(texted):
    control = shuffled_text(texted, 1)
    assert sorted(control.tolist()) == sorted(texted.item_text.tolist())
    assert not (control == texted.item_text).all(1).any()


def test_of_shuffled_evidence_no_item_keeps_its_anchor_and_those_without_have_none(texted, make_vectored):
    given = make_vectored(texted)
    some, real = given.vectors.anchored, given.vectors.anchors
    control = shuffled_evidence(given, 1).vectors
    assert not (control.anchors[some] == real[some]).all(1).any()
    assert sorted(control.anchors[some].tolist()) == sorted(real[some].tolist())
    assert control.anchored is some
