"""Mining against a loop that does what the definition says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.teacher import mining
from hnlm_ray.teacher.mining import UserPairs, mine, shares
from hnlm_ray.teacher.vectors import Vectors


def config(**changes):
    return CFTeacherConfig.model_validate({"window": (2, 9), "mined": 3, **changes})


def planted(seed, users=12, items=30, absent=0, low=-3):
    """Small whole numbers: dot products are exact, so that ties are ties."""
    rng = np.random.default_rng(seed)
    there = np.ones(items, bool)
    there[rng.choice(items, absent, replace=False)] = False
    matrix = rng.integers(low, 4, (items, 4)).astype(np.float32)
    matrix[~there] = 0
    of_users = rng.integers(low, 4, (users, 4)).astype(np.float32)
    train = [sorted(rng.choice(items, 5, replace=False).tolist()) for _ in range(users)]
    return [UserPairs(user, items, items[:3]) for user, items in enumerate(train)], of_users, Vectors(matrix, there)


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) if a.any() and b.any() else 0.0


def literal(users, of_users, items, settings):
    """The definition, one item at a time."""
    rows = []
    for user in users:
        vector = of_users[user.user].astype(np.float64)
        scores = {j: float(vector @ items.matrix[j]) for j in range(len(items.there)) if items.there[j]}
        std = np.std(list(scores.values()))
        ranked = sorted((j for j in scores if j not in user.train), key=lambda j: (-scores[j], j))
        for pair in user.pairs:
            if pair not in scores:
                continue
            first, last = settings.window
            window = [(rank, j) for rank, j in enumerate(ranked, 1) if first <= rank <= last]
            safe = [(r, j) for r, j in window if std > 0 and scores[pair] - scores[j] >= settings.guard_margin * std]
            near = sorted(safe, key=lambda one: (-round(cosine(items.matrix[pair], items.matrix[one[1]]), 9), one[1]))
            near = near[: settings.mined]
            leads = [(scores[pair] - scores[j]) / std for _, j in near]
            row = (user.user, pair, [j for _, j in near], [r for r, _ in near], leads, len(window) - len(safe))
            rows.append(row)
    return sorted(rows)


@pytest.mark.parametrize("margin", [0.0, 0.4, 1.5])
@pytest.mark.parametrize("absent", [0, 6])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_a_literal_loop(seed, absent, margin):
    users, of_users, items = planted(seed, absent=absent)
    settings = config(guard_margin=margin)
    found = mine(users, of_users, items, settings)
    expected = literal(users, of_users, items, settings)
    assert len(found.rows) == len(expected) > 0
    for row, (user, item, negatives, ranks, leads, guarded) in zip(found.rows, expected, strict=True):
        assert (row["user"], row["item"], row["guarded"]) == (user, item, guarded)
        assert (row["negatives"], row["ranks"]) == (negatives, ranks)
        assert row["leads"] == pytest.approx(leads, abs=1e-5)


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_blocks_change_nothing(seed, at_once):
    users, of_users, items = planted(seed)
    whole = mine(users, of_users, items, config())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mining, "SCORES_AT_ONCE", at_once)
        assert mine(users, of_users, items, config()) == whole


def line(*scores):
    """One user along the first axis, whose items score as told."""
    return np.array([[1.0, 0.0]], np.float32), Vectors(
        np.array([[score, 1.0] for score in scores], np.float32), np.ones(len(scores), bool)
    )


def test_the_window_counts_ranks_without_training_items():
    of_users, items = line(9, 8, 7, 6, 5, 4)
    settings = config(window=(2, 3), guard_margin=0)
    (row,) = mine([UserPairs(0, [0, 2], [0])], of_users, items, settings).rows
    # Without items 0 and 2 the ranking is 1, 3, 4, 5: ranks 2 and 3 are items 3 and 4.
    assert dict(zip(row["ranks"], row["negatives"], strict=True)) == {2: 3, 3: 4}


def test_training_items_are_never_mined_and_a_window_beyond_the_end_is_empty():
    of_users, items = line(9, 8, 7, 6)
    found = mine([UserPairs(0, [0, 1], [0, 1])], of_users, items, config(window=(1, 60)))
    assert all(set(row["negatives"]) == {2, 3} for row in found.rows)
    beyond = mine([UserPairs(0, [0, 1], [0])], of_users, items, config(window=(3, 60)))
    assert (beyond.rows[0]["negatives"], beyond.counts["pairs_without_negative"]) == ([], 1)


def test_the_guard_refuses_what_scores_above_or_too_near_the_positive():
    of_users, items = line(5, 6, 5, 4, 0)
    std = np.std([5, 6, 5, 4, 0])
    for margin, kept in ((0, {2, 3, 4}), (0.99 / std, {3, 4}), (1.01 / std, {4}), (9, set())):
        settings = config(window=(1, 60), guard_margin=margin, mined=9)
        (row,) = mine([UserPairs(0, [0], [0])], of_users, items, settings).rows
        assert (set(row["negatives"]), row["guarded"]) == (kept, 4 - len(kept))
    (row,) = mine([UserPairs(0, [0], [0])], of_users, items, config(window=(1, 60), mined=9)).rows
    leads = dict(zip(row["negatives"], row["leads"], strict=True))
    assert leads == pytest.approx({2: 0, 3: 1 / std, 4: 5 / std}, abs=1e-6)


def test_the_most_similar_to_the_positive_comes_first_and_ties_go_to_the_lower_item():
    matrix = np.array([[2, 2], [1, 0], [1, 1], [0, 1], [0.5, 0.5]], np.float32)
    items = Vectors(matrix, np.ones(5, bool))
    (row,) = mine([UserPairs(0, [0], [0])], np.ones((1, 2), np.float32), items, config(window=(1, 9), mined=9)).rows
    assert row["negatives"] == [2, 4, 1, 3]
    assert row["ranks"] == [1, 4, 2, 3]


def test_a_user_whose_scores_are_all_equal_has_no_ranking_to_mine():
    items = Vectors(np.arange(8, dtype=np.float32).reshape(4, 2), np.ones(4, bool))
    found = mine([UserPairs(0, [0], [0])], np.zeros((1, 2), np.float32), items, config(window=(1, 9)))
    assert found.rows[0]["negatives"] == []
    assert found.counts["pairs_without_negative"] == 1


def test_counts_add_up_and_are_told_as_shares():
    users, of_users, items = planted(3, absent=9)
    found = mine(users, of_users, items, config(guard_margin=0.5))
    counts, rows = found.counts, found.rows
    assert counts["pairs"] == 36 == len(rows) + counts["pairs_without_vector"]
    assert counts["pairs_without_vector"] == sum(not items.there[pair] for user in users for pair in user.pairs) > 0
    told = shares(counts)
    assert told["pairs_without_negative"] == sum(not row["negatives"] for row in rows)
    assert told["refused_share"] == round(sum(row["guarded"] for row in rows) / counts["candidates"], 4)
    ranks = [rank for row in rows for rank in row["ranks"]]
    assert told["mean_rank"] == round(float(np.mean(ranks)), 2)
    assert shares(mine([], of_users[:0], items, config()).counts)["mean_rank"] is None


def test_scores_that_overflow_are_refused():
    users, of_users, items = planted(0)
    with pytest.raises(InputError, match="overflow float32: scale"):
        mine(users, of_users * np.float32(1e25), Vectors(items.matrix * np.float32(1e25), items.there), config())
