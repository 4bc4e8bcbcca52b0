import sys

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.errors import InputError
from hnlm_ray.tune.significance import bootstrap_interval, compare, holm, paired_p


def crossed(rng, *, seeds, users, spread=(0.0, 0.0, 1.0), mean=0.0):
    """Differences with random effects of seeds, users and the rest."""
    seed_effect, user_effect, rest = (rng.normal(size=shape) for shape in ((seeds, 1), (1, users), (seeds, users)))
    return mean + spread[0] * seed_effect + spread[1] * user_effect + spread[2] * rest


def test_equal_inputs():
    values = np.random.default_rng(0).random((3, 50))
    found = compare(values, values)
    assert (found.difference, found.ci95, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_a_clear_difference_and_its_sign():
    rng = np.random.default_rng(0)
    base = rng.random((3, 400))
    better = base + crossed(rng, seeds=3, users=400, spread=(0, 0.1, 0.02), mean=0.05)
    found, mirrored = compare(better, base), compare(base, better)
    assert found.difference == pytest.approx(0.05, abs=0.015)
    assert 0.03 < found.ci95[0] < found.difference < found.ci95[1] < 0.07
    assert found.p < 1e-6
    assert mirrored.difference == -found.difference
    assert mirrored.p == pytest.approx(found.p)


def test_it_repeats_with_its_seed():
    values = np.random.default_rng(1).random((2, 3, 40))
    assert compare(*values, seed=1) == compare(*values, seed=1)
    assert compare(*values, seed=1).ci95 != compare(*values, seed=2).ci95


@pytest.mark.parametrize("spread", [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0.3)])
def test_false_alarms_stay_rare_whatever_varies(spread):
    rng = np.random.default_rng(2)
    p = np.array([paired_p(crossed(rng, seeds=4, users=60, spread=spread)) for _ in range(600)])
    assert (p < 0.05).mean() < 0.08


def test_a_lucky_seed_is_no_result_although_all_users_agree():
    rng = np.random.default_rng(3)
    values = crossed(rng, seeds=1, users=500, spread=(0, 0.1, 0.1), mean=0.1).repeat(3, 0)
    values += np.array([[0.3], [0.0], [-0.25]])
    assert stats.ttest_1samp(values.mean(0), 0).pvalue < 1e-10
    assert paired_p(values) > 0.3


def test_one_seed_is_the_paired_t_test_over_users():
    values = np.random.default_rng(4).normal(0.1, 1, (1, 80))
    assert paired_p(values) == pytest.approx(stats.ttest_1samp(values[0], 0).pvalue)
    assert paired_p(np.array([[0.1]])) == 1.0


@pytest.mark.parametrize(("seeds", "users", "p"), [(2, 5, 2**-4), (1, 5, 2**-4), (3, 5000, sys.float_info.min)])
@pytest.mark.parametrize("size", [0.25, 0.1])
def test_a_constant_difference_has_no_variance_and_yet_a_p_above_0(seeds, users, p, size):
    differences = np.full((seeds, users), size)
    assert paired_p(differences) == p
    assert compare(differences, np.zeros_like(differences)).ci95 == pytest.approx((size, size))


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_user_tells_nothing(seeds):
    found = compare(np.linspace(0.5, 0.6, seeds).reshape(-1, 1), np.zeros((seeds, 1)))
    assert found.p == 1.0
    assert np.isfinite([found.difference, *found.ci95]).all()


def test_the_interval_equals_a_literal_two_level_bootstrap():
    values = crossed(np.random.default_rng(5), seeds=5, users=30, spread=(0.5, 0.5, 1), mean=0.2)
    rng, means = np.random.default_rng(6), []
    for _ in range(4000):
        chosen = values[rng.integers(5, size=5)][:, rng.integers(30, size=30)]
        means.append(chosen.mean())
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(values, 0, 4000) == pytest.approx(tuple(expected), abs=0.05)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_cant_be_paired_is_refused():
    for a, b in ((np.ones((2, 3)), np.ones((3, 3))), (np.ones(3), np.ones(3)), (np.ones((2, 0)), np.ones((2, 0)))):
        with pytest.raises(InputError, match="seeds, users"):
            compare(a, b)
