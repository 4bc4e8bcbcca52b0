"""Intervals by user against the definition, draw by draw, and against what they promise."""

import numpy as np
import pytest

from hnlm_ray.finetune.evaluate.metrics import LEAST_USERS, RESAMPLES, intervals, resampled_means


def planted(users, seed, columns=1, shift=0.0):
    """Records of users who have one to five each, and differ by more than their records do."""
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(users) * 7, draw.integers(1, 6, users))
    of_user = draw.normal(size=(users * 7, columns))
    return of_user[owner] + 0.2 * draw.normal(size=(len(owner), columns)) + shift, owner


def test_each_resample_is_the_mean_over_all_records_of_the_users_drawn():
    values, owner = planted(9, 1, columns=2)
    found = resampled_means(values, owner, 3)
    assert found.shape == (RESAMPLES, 2)
    times = np.random.default_rng(3).multinomial(9, np.full(9, 1 / 9), size=RESAMPLES)
    for resample in (0, 17, RESAMPLES - 1):
        records = [
            row
            for user, n in zip(range(9), times[resample], strict=True)
            for _ in range(n)
            for row in np.flatnonzero(owner == 7 * user)
        ]
        assert found[resample] == pytest.approx(values[records].mean(0))


def test_blocks_of_draws_draw_what_one_would(monkeypatch):
    values, owner = planted(9, 1)
    whole = resampled_means(values, owner, 3)
    monkeypatch.setattr("hnlm_ray.base.samples.CELLS_AT_ONCE", 9 * 700)
    assert np.array_equal(resampled_means(values, owner, 3), whole)


def test_columns_apart_and_together_and_records_in_another_order_have_the_same_intervals():
    values, owner = planted(20, 2, columns=2)
    together = intervals(values, owner, 5)
    assert [intervals(values[:, [n]], owner, 5)[0] for n in range(2)] == [pytest.approx(one) for one in together]
    order = np.random.default_rng(0).permutation(len(owner))
    assert intervals(values[order], owner[order], 5) == [pytest.approx(one) for one in together]
    assert intervals(values, owner, 6) != together


def test_the_paired_interval_of_a_difference_is_narrower_than_its_sides():
    values, owner = planted(40, 3)
    shifted = np.column_stack([values[:, 0], values[:, 0] + 0.1, values[:, 0] - (values[:, 0] + 0.1)])
    first, second, difference = intervals(shifted, owner, 1)
    assert difference == pytest.approx((-0.1, -0.1))
    assert first[1] > second[0]


def test_users_are_what_is_drawn_not_records():
    """A user's records say the same, so ten of each know no more than one of each."""
    draw = np.random.default_rng(0)
    of_user = draw.normal(size=30)
    once = intervals(of_user[:, None], np.arange(30), 1)[0]
    tenfold = intervals(np.repeat(of_user, 10)[:, None], np.repeat(np.arange(30), 10), 1)[0]
    assert tenfold == pytest.approx(once)


def test_too_few_users_have_no_interval():
    values, owner = planted(LEAST_USERS - 1, 4)
    assert intervals(values, owner, 1) is None
    values, owner = planted(LEAST_USERS, 4)
    assert intervals(values, owner, 1) is not None
    assert 2.0 ** (1 - LEAST_USERS) < 0.05 < 2.0 ** (2 - LEAST_USERS)


def test_an_interval_of_95_percent_leaves_out_a_true_mean_of_0_about_that_often():
    """47 users, as few as a small run holds out. For 100 draws of 5 to 8% the bounds are wide."""
    missed = 0
    for seed in range(100):
        values, owner = planted(47, 100 + seed)
        ((low, high),) = intervals(values, owner, seed)
        missed += not low <= 0 <= high
    assert 1 <= missed <= 14
