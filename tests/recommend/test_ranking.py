"""Lists against a literal ranking: ties, cold items, users who have seen nearly all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.recommend import ranking
from hnlm_ray.recommend.model_tables import ModelRows, model_rows, model_table
from hnlm_ray.recommend.ranking import Catalogue, list_lengths, recommendation_rows, users_per_block
from hnlm_ray.workspace.tables import TABLES


@st.composite
def worlds(draw):
    """Small whole numbers as vectors, so that scores are exact and often equal."""
    users, items, dim = draw(st.integers(1, 7)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    number = st.integers(-2, 2)
    of_users, of_items = (
        np.array(draw(st.lists(st.lists(number, min_size=dim, max_size=dim), min_size=n, max_size=n)), np.float32)
        for n in (users, items)
    )
    positives = np.array(draw(st.lists(st.integers(0, 2), min_size=items, max_size=items)))
    positives[draw(st.integers(0, items - 1))] = 1
    seen = draw(st.sets(st.tuples(st.integers(0, users - 1), st.integers(0, items - 1))))
    return of_users, ModelRows(np.arange(items), of_items, positives), sorted(seen), draw(st.integers(1, 11))


@given(worlds(), st.sampled_from([1, 64, 2**20]))
def test_lists_are_those_of_a_literal_ranking(world, score_bytes):
    users, items, seen, k = world
    rows, places = np.array(seen, np.int64).reshape(-1, 2).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "SCORE_BYTES", score_bytes)
        found, scores = Catalogue(items).best(users, rows, places, k)
    table = recommendation_rows(np.arange(len(users)) * 3, found, scores)
    assert table.schema.equals(TABLES["recommendations"])
    expected = []
    for user, vector in enumerate(users):
        left = [item for item in range(len(items.index)) if items.positives[item] and (user, item) not in seen]
        best = sorted(left, key=lambda item: (-float(items.matrix[item] @ vector), item))[:k]
        expected += [(user * 3, rank, item, float(items.matrix[item] @ vector)) for rank, item in enumerate(best, 1)]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    warm_seen = np.bincount([u for u, i in seen if items.positives[i]], minlength=len(users))
    lengths = list_lengths(warm_seen, int((items.positives > 0).sum()), k)
    assert lengths.sum() == table.num_rows


def test_a_user_who_has_seen_all_but_two_gets_two():
    items = ModelRows(np.arange(4), np.eye(4, dtype=np.float32), np.ones(4, np.int64))
    found, _ = Catalogue(items).best(np.ones((2, 4), np.float32), np.array([0, 0]), np.array([1, 3]), 3)
    assert found.tolist() == [[0, 2, -1], [0, 1, 2]]


def test_a_block_of_scores_stays_within_its_bytes():
    assert users_per_block(100_000) * 100_000 * 4 <= ranking.SCORE_BYTES
    assert users_per_block(10**9) == 1


def test_rows_come_back_as_they_were_written():
    rows = ModelRows(np.array([7, 2]), np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([0, 9]))
    table = model_table("model_items", rows)
    back = model_rows("model_items", table)
    np.testing.assert_array_equal(back.matrix, rows.matrix)
    assert (back.index.tolist(), back.positives.tolist(), back.cold.tolist()) == ([7, 2], [0, 9], [True, False])
