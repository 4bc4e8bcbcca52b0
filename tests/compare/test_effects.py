"""How large a difference is, against what can be counted by hand and simulated."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, EmbeddingScores, Positives, evaluate, found_test_rows, measure_slices
from hnlm_ray.compare.significance import effect, in_groups
from hnlm_ray.compare.user_groups import groups_of

A = np.array([[0.2, 0.4, 0.5, 0.1], [0.4, 0.4, 0.3, 0.1]])
B = np.array([[0.1, 0.4, 0.6, 0.1], [0.1, 0.4, 0.4, 0.1]])


def test_an_effect_by_hand():
    found = effect(A, B)  # users' differences: 0.2, 0, -0.1, 0
    assert (found["wins"], found["ties"], found["losses"]) == (1, 2, 1)
    assert found["effect_size"] == pytest.approx(0.025 / np.std([0.2, 0, -0.1, 0], ddof=1))
    assert found["relative"] == pytest.approx(2.4 / 2.2 - 1)
    low, high = found["relative_ci95"]
    assert low < found["relative"] < high


def test_equal_methods_have_no_effect():
    found = effect(A, A)
    assert found == {
        "relative": 0.0, "relative_ci95": [0.0, 0.0], "effect_size": None, "wins": 0, "ties": 4, "losses": 0,
    }  # fmt: skip


def test_nothing_is_relative_to_zero_and_one_user_has_no_spread():
    found = effect(np.array([[0.5]]), np.array([[0.0]]))
    assert (found["relative"], found["relative_ci95"], found["effect_size"]) == (None, [None, None], None)
    assert found["wins"] == 1


def test_rounding_is_a_tie():
    third = np.full((3, 2), 1 / 3)
    assert effect(third, third + 1e-16)["ties"] == 2


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_relative_interval_covers_the_truth(seeds):
    draw, covered = np.random.default_rng(0), 0
    for _ in range(300):
        base = 0.3 + 0.1 * draw.normal(size=(1, 200)) + 0.01 * draw.normal(size=(seeds, 1))
        better = 1.1 * base + 0.05 * draw.normal(size=(seeds, 200)) + 0.01 * draw.normal(size=(seeds, 1))
        low, high = effect(better, base)["relative_ci95"]
        covered += low <= 0.1 <= high
    assert covered > 0.92 * 300


def test_groups_count_their_own_users_and_leave_unknown_ones_out():
    a = A.copy()
    a[0, 3] = np.nan
    groups = {"first": np.array([True, True, False, False]), "last": np.array([False, False, True, True])}
    found = in_groups(a, B, {**groups, "none": np.zeros(4, bool)})
    assert found == {
        "first": {"users": 2, "difference": pytest.approx(0.1), "wins": 1, "ties": 1, "losses": 0},
        "last": {"users": 1, "difference": pytest.approx(-0.1), "wins": 0, "ties": 0, "losses": 1},
    }


def interactions(train, test):
    rows = [(*pair, "train") for pair in train] + [(*pair, "test") for pair in test] + [(0, 9, "validation")]
    users, items, splits = zip(*rows, strict=True)
    return pa.table({"user": pa.array(users, pa.int32()), "item": pa.array(items, pa.int32()), "split": splits})


TRAIN = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2), (3, 3), (4, 0)]
"""Popularities 5, 3, 2, 1; histories 1, 2, 3, 4, 1."""
TEST = [(3, 9), (1, 3), (0, 3), (2, 3), (3, 8), (0, 1)]
"""User 4 has no test row; items 8 and 9 were never liked in training."""


def test_users_and_rows_are_grouped_as_the_figures_of_the_groups_are():
    groups = groups_of(interactions(TRAIN, TEST))
    assert groups.owner.tolist() == [0, 0, 1, 2, 3, 3]
    assert {name: np.flatnonzero(own).tolist() for name, own in groups.users().items()} == {
        "history_short": [0], "history_middle": [1, 2], "history_long": [3],
    }  # fmt: skip
    assert groups.popularity.tolist() == [2, 1, 1, 1, 0, 0]


def test_the_share_found_of_a_user_is_of_the_rows_in_the_group():
    groups = groups_of(interactions(TRAIN, TEST))
    found = [np.array([True, False, True, False, True, False]), np.array([True, True, False, False, True, True])]
    shares = groups.found_share(found, "items_unseen")
    assert np.isnan(shares[:, :3]).all()
    assert shares[:, 3].tolist() == [0.5, 1.0]
    assert groups.found_share(found, "items_rare")[:, :3].tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(InputError, match=r"\[5, 6\] test rows"):
        groups.found_share([found[0][:5]], "items_rare")


def test_the_groups_are_those_of_the_engine():
    draw = np.random.default_rng(1)
    pairs = np.unique(draw.integers(0, (40, 30), (500, 2)), axis=0)
    draw.shuffle(pairs)
    train, test = pairs[:300], pairs[300:]
    data = CFData(40, 30, Positives.from_pairs(*train.T, 40), None, Positives.from_pairs(*test.T, 40))
    scorer = EmbeddingScores(*(torch.from_numpy(draw.normal(size=(rows, 4)).astype("f4")) for rows in (40, 30)))
    evaluation = evaluate(scorer, data, "test", (5,))
    slices = measure_slices(data, evaluation, metric="recall@5", cutoff=5)
    found, groups = found_test_rows(data, evaluation, 5), groups_of(interactions(train.tolist(), test.tolist()))
    assert found.mean() == pytest.approx(
        sum(slices[name] * slices[f"{name}_rows"] for name in slices if f"{name}_rows" in slices) / len(test)
    )
    for name, own in groups.users().items():
        assert evaluation.per_user["recall@5"][own].mean() == pytest.approx(slices[name])
    for place, name in enumerate(("items_unseen", "items_rare", "items_common", "items_popular")):
        assert (groups.popularity == place).sum() == slices[f"{name}_rows"]
        if slices[f"{name}_rows"]:
            assert found[groups.popularity == place].mean() == pytest.approx(slices[name])


def test_without_test_rows_there_are_no_groups():
    assert groups_of(interactions(TRAIN, [])) is None
