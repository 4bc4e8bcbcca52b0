"""False negatives at equal hardness: the curve by hand, and what chance alone makes of a difference."""

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.cf.training.hardness import Drawn
from hnlm_ray.compare.equal_hardness import Estimate, Resampled, lowest_share, resample, saved


def point(hardness, share, resamples=1):
    return Resampled(np.full(1 + resamples, float(hardness)), np.full(1 + resamples, float(share)))


def share_at(hardness, *curve):
    return float(lowest_share(np.array([float(hardness)]), [point(*one, resamples=0) for one in curve])[0])


def test_between_two_samplers_the_share_is_in_proportion():
    assert share_at(0.1, (0.0, 0.02), (0.2, 0.1), (0.4, 0.5)) == pytest.approx(0.06)
    assert share_at(0.2, (0.4, 0.5), (0.0, 0.02), (0.2, 0.1)) == pytest.approx(0.1)
    assert share_at(0.3, (0.0, 0.02), (0.2, 0.1), (0.4, 0.5)) == pytest.approx(0.3)


def test_two_samplers_by_turns_can_have_fewer_than_a_third_of_the_same_hardness():
    bent = (0.0, 0.0), (0.1, 0.3), (0.4, 0.4)
    assert share_at(0.1, *bent) == pytest.approx(0.1)  # a quarter of the hardest one, not the 0.3 of the second
    assert share_at(0.2, *bent) == pytest.approx(0.2)


def test_beyond_its_ends_the_curve_goes_on_straight():
    curve = (0.1, 0.1), (0.2, 0.3), (0.3, 0.4), (0.4, 0.6)
    assert share_at(0.05, *curve) == pytest.approx(0.1 - 0.05 * 1.5)
    assert share_at(0.45, *curve) == pytest.approx(0.6 + 0.05 * 2)
    assert share_at(0.7, (0.3, 0.2), (0.3, 0.4)) == pytest.approx(0.4)


def test_what_is_easier_or_harder_than_all_classical_samplers_is_not_compared():
    curve = [point(0.1, 0.1, 9), point(0.4, 0.6, 9)]
    assert saved(point(0.05, 0.0, 9), curve, 50) is None
    assert saved(point(0.5, 0.0, 9), curve, 50) is None
    end = saved(point(0.1, 0.1, 9), curve, 50)
    assert (end.reference, *end.values) == pytest.approx((0.1, *[0.0] * 10))
    unsure = Resampled(np.array([0.09, *np.linspace(0.05, 0.13, 9)]), np.full(10, 0.02))
    assert saved(unsure, curve, 50).values[0] == pytest.approx(0.1 - 0.01 * (0.5 / 0.3) - 0.02)


def test_a_resample_is_of_users_with_all_their_pairs():
    users = np.array([5, 9, 5, 9, 9, 2], np.int32)
    drawn = [Drawn(users, np.arange(6.0), np.ones(6)), Drawn(users, np.ones(6), np.array([1.0, 0, 0, 0, 0, 0]))]
    first, second = resample(drawn, 3, 400)
    assert (first.hardness[0], first.share[0]) == pytest.approx((2.5, 1))
    assert (second.hardness[0], second.share[0]) == pytest.approx((1, 1 / 6))
    sums = {5: 0 + 2, 9: 1 + 3 + 4, 2: 5}
    possible = {
        round(sum(sums[user] for user in chosen) / sum({5: 2, 9: 3, 2: 1}[user] for user in chosen), 9)
        for chosen in np.stack(np.meshgrid(*[[5, 9, 2]] * 3), -1).reshape(-1, 3).tolist()
    }
    assert set(np.round(first.hardness[1:], 9).tolist()) == possible
    again = resample(drawn, 3, 400)
    assert np.array_equal(again[0].hardness, first.hardness)
    assert not np.array_equal(resample(drawn, 4, 400)[0].hardness, first.hardness)


def test_few_resamples_at_once_are_the_same_as_all(monkeypatch):
    users, draw = np.repeat(np.arange(40, dtype=np.int32), 3), np.random.default_rng(0)
    drawn = [Drawn(users, draw.random(120), draw.random(120))]
    whole = resample(drawn, 1, 50)[0]
    monkeypatch.setattr("hnlm_ray.base.samples.CELLS_AT_ONCE", 200)
    np.testing.assert_allclose(resample(drawn, 1, 50)[0].share, whole.share, rtol=1e-12)


def test_p_is_below_the_level_where_the_interval_leaves_0_out():
    draw = np.random.default_rng(0)
    for mean in np.linspace(-4, 4, 33):
        found = Estimate.of(np.append(mean, mean + draw.standard_normal(500)), 30)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        assert found.low < found.value < found.high
    level = Estimate.of(np.zeros(5), 30)
    assert (level.value, level.error, level.low, level.high, level.p) == (0, 0, 0, 0, 1)
    assert Estimate.of(np.ones(5), 30).p < 1e-9


def test_the_interval_is_that_of_the_users_means():
    """Of one pair a user the resampled deviation is the standard error of a mean."""
    values = np.random.default_rng(1).random(200)
    drawn = [Drawn(np.arange(200, dtype=np.int32), values, values)]
    found = Estimate.of(resample(drawn, 0)[0].share, 200)
    low, high = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)


@pytest.mark.parametrize(("gain", "most", "least"), [(0.0, 10, 0), (0.08, 200, 190)])
def test_samplers_that_save_nothing_are_seldom_told_from_the_curve(gain, most, least):
    """Users differ in how often their negatives are hard and false; a sampler is two of the curve by turns."""
    told = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        users = np.repeat(np.arange(60, dtype=np.int32), draw.integers(5, 40, 60))
        taste = draw.normal(scale=0.5, size=60)[users]
        drawn = [_draws(draw, users, taste, level) for level in (-2.0, -1.0, 0.0)]
        turns = draw.random(len(users)) < 0.5
        wins, false = (np.where(turns, getattr(drawn[0], name), getattr(drawn[2], name)) for name in ("wins", "false"))
        drawn.append(Drawn(users, wins, false * (draw.random(len(users)) > gain / max(1e-9, false.mean()))))
        *curve, own = resample(drawn, seed, 300)
        found = Estimate.of(saved(own, curve, 60).values, 60)
        told += found.value > 0 and found.p < 0.05
    assert least <= told <= most


def _draws(draw, users, taste, level):
    wins = draw.random(len(users)) < stats.norm.cdf(level + taste)
    false = draw.random(len(users)) < 0.5 * stats.norm.cdf(level + taste)
    return Drawn(users, wins.astype(float), false.astype(float))
