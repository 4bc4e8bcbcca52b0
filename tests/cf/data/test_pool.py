import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import NegativePool, Positives

TRAIN = Positives.from_pairs([0, 0, 1, 2], [1, 4, 2, 0], 3)  # edges 0..3


def rows(users, items, negatives, weights):
    return NegativePool.from_rows(TRAIN, users, items, negatives, weights, n_items=5)


def test_rows_are_aligned_to_the_edges_whatever_their_order():
    pool = rows([2, 0, 2, 0], [0, 4, 0, 4], [3, 2, 1, 0], [0.5, 1.0, 0.25, 2.0])
    assert pool.indptr.tolist() == [0, 0, 2, 2, 4]
    assert pool.items.tolist() == [2, 0, 3, 1]
    assert pool.weights.tolist() == [1.0, 2.0, 0.5, 0.25]
    assert pool.edges().tolist() == [1, 1, 3, 3]
    assert pool.coverage == 0.5


def test_training_positives_are_dropped_and_counted_and_weight_zero_is_left_out():
    pool = rows([0, 0, 0, 1], [1, 1, 1, 2], [4, 2, 3, 0], [1.0, 1.0, 0.0, 1.0])
    assert pool.items.tolist() == [2, 0]
    assert pool.dropped == 1
    pool.check(TRAIN, 5)


def test_rows_of_no_training_pair_are_refused():
    with pytest.raises(InputError, match="1 rows of the pool belong to no training pair"):
        rows([1, 1], [2, 3], [0, 0], [1.0, 1.0])


def test_negatives_outside_the_catalogue_are_refused():
    with pytest.raises(InputError, match="outside"):
        rows([1], [2], [5], [1.0])


@pytest.mark.parametrize(
    ("indptr", "items", "weights", "message"),
    [
        ([0, 1, 1], [2], [1.0], "aligned to 2 pairs"),
        ([0, 1, 1, 1, 1], [4], [1.0], "1 pool entries are training positives"),
        ([0, 1, 1, 1, 1], [2], [0.0], "above 0"),
        ([0, 1, 1, 1, 1], [2], [np.nan], "above 0"),
        ([0, 1, 1, 1, 1], [7], [1.0], "outside"),
    ],
)
def test_check_names_what_is_wrong(indptr, items, weights, message):
    pool = NegativePool(np.array(indptr), np.array(items, np.int32), np.array(weights, np.float32))
    with pytest.raises(InputError, match=message):
        pool.check(TRAIN, 5)
