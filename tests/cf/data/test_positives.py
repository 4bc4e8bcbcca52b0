import numpy as np
import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import Positives


def test_from_pairs_sorts_in_each_user_and_keeps_users_without_items():
    positives = Positives.from_pairs([2, 0, 2, 0], [5, 3, 1, 0], 4)
    assert positives.indptr.tolist() == [0, 2, 2, 4, 4]
    assert positives.items.tolist() == [0, 3, 1, 5]
    assert positives.degree.tolist() == [2, 0, 2, 0]
    assert (positives.indptr.dtype, positives.items.dtype) == (np.int64, np.int32)
    assert [column.tolist() for column in positives.pairs()] == [[0, 0, 2, 2], [0, 3, 1, 5]]
    assert positives.active_users().tolist() == [0, 2]
    assert positives.keys(6).tolist() == [0, 3, 13, 17]
    assert positives.popularity(6).tolist() == [1, 1, 0, 1, 0, 1]


def test_of_returns_the_rows_of_any_users_in_their_order():
    positives = Positives.from_pairs([2, 0, 2, 0, 3], [5, 3, 1, 0, 4], 4)
    row, item = positives.of(np.array([3, 1, 2]))
    assert (row.tolist(), item.tolist()) == ([0, 2, 2], [4, 1, 5])


def test_pairs_round_trip():
    rng = np.random.default_rng(1)
    keys = rng.choice(50 * 40, 300, replace=False)
    positives = Positives.from_pairs(keys // 40, keys % 40, 50)
    users, items = positives.pairs()
    assert sorted(users * 40 + items) == sorted(keys)


def test_no_pairs_at_all():
    empty = Positives.from_pairs([], [], 3)
    assert len(empty) == 0
    assert empty.degree.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([0, 0], [1, 1], "more than once"),
        ([0, 3], [1, 1], "outside 0..2"),
        ([-1], [1], "outside"),
        ([0], [-1], "negative item"),
        ([0, 1], [1], "one length"),
    ],
)
def test_bad_pairs_are_named(users, items, message):
    with pytest.raises(InputError, match=message):
        Positives.from_pairs(users, items, 3)
