import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, NegativePool, Positives, with_held_out_in_train, with_validation_in_train

TRAIN = Positives.from_pairs([0, 1, 1], [2, 0, 3], 2)


def test_a_pair_belongs_to_one_split():
    held_out = Positives.from_pairs([1, 0], [3, 1], 2)
    with pytest.raises(InputError, match=r"1 .* in train and test"):
        CFData(2, 4, TRAIN, test=held_out)
    with pytest.raises(InputError, match=r"2 .* in validation and test"):
        CFData(2, 5, TRAIN, Positives.from_pairs([0, 0], [1, 4], 2), Positives.from_pairs([0, 0], [1, 4], 2))


def test_shapes_are_checked():
    with pytest.raises(InputError, match="2 users, the data has 3"):
        CFData(3, 4, TRAIN)
    with pytest.raises(InputError, match="train has an item outside"):
        CFData(2, 3, TRAIN)
    unsorted = Positives(np.array([0, 2]), np.array([2, 1], np.int32))
    with pytest.raises(InputError, match="sorted and unique"):
        CFData(1, 3, unsorted)


def test_a_missing_or_empty_split_cant_be_evaluated():
    data = CFData(2, 4, TRAIN, Positives.from_pairs([], [], 2))
    for split in ("validation", "test", "tset"):
        with pytest.raises(InputError, match=split):
            data.held_out(split)


def test_validation_joins_train_and_the_pool_follows_its_pairs():
    # Pool: (0, 2) -> 3, 1; (1, 3) -> 1. Validation makes (0, 1) a training positive.
    pool = NegativePool.from_rows(TRAIN, [0, 0, 1], [2, 2, 3], [3, 1, 1], [1.0, 2.0, 4.0], n_items=4)
    data = CFData(2, 4, TRAIN, Positives.from_pairs([0, 1], [1, 2], 2), None, pool)
    joined = with_validation_in_train(data)
    users, items = joined.train.pairs()
    assert list(zip(users.tolist(), items.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 0), (1, 2), (1, 3)]
    assert joined.validation is None
    assert joined.pool.indptr.tolist() == [0, 0, 1, 1, 1, 2]
    assert joined.pool.items.tolist() == [3, 1]
    assert joined.pool.weights.tolist() == [1.0, 4.0]
    assert joined.pool.dropped == 1
    assert data.pool.dropped == 0


def test_without_validation_nothing_changes():
    data = CFData(2, 4, TRAIN)
    assert with_validation_in_train(data) is data


def test_both_held_out_splits_join_train_and_the_pool_follows():
    pool = NegativePool.from_rows(TRAIN, [0, 0, 1], [2, 2, 3], [3, 1, 1], [1.0, 2.0, 4.0], n_items=4)
    validation, test = Positives.from_pairs([0], [1], 2), Positives.from_pairs([1, 0], [1, 3], 2)
    joined = with_held_out_in_train(CFData(2, 4, TRAIN, validation, test, pool))
    users, items = joined.train.pairs()
    assert list(zip(users.tolist(), items.tolist(), strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 3)]
    assert joined.validation is joined.test is None
    assert len(joined.pool) == 0
    assert joined.pool.dropped == 3
    only_test = with_held_out_in_train(CFData(2, 4, TRAIN, validation, test, pool), ("test",))
    assert only_test.validation is validation
    assert only_test.test is None
