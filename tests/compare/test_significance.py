import sys

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.compare.significance import compare, holm, interval, paired_p


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
    assert found.p < 1e-3
    assert mirrored.difference == -found.difference
    assert mirrored.p == pytest.approx(found.p)


@pytest.mark.parametrize("seeds", [2, 3, 4])
@pytest.mark.parametrize("spread", [(0, 0, 1), (0, 1, 1), (0.4, 0, 1), (0.4, 1, 1), (1, 0, 1), (1, 1, 0.3)])
def test_false_alarms_stay_rare_whatever_varies(seeds, spread):
    rng = np.random.default_rng(2)
    p = np.array([paired_p(crossed(rng, seeds=seeds, users=60, spread=spread)) for _ in range(500)])
    assert (p < 0.05).mean() < 0.075


def test_users_alone_can_not_make_up_for_seeds_that_agree_by_luck():
    rng = np.random.default_rng(8)
    values = crossed(rng, seeds=2, users=500, spread=(0, 0, 1), mean=0.4)
    values += 0.04 - values.mean(1, keepdims=True) + np.array([[0.02], [-0.02]])
    assert paired_p(values) == pytest.approx(stats.ttest_1samp(values.mean(1), 0).pvalue)
    assert paired_p(values) == pytest.approx(2 * stats.t.sf(2, 1))


@pytest.mark.parametrize("seeds", [1, 2, 3, 6])
def test_the_interval_leaves_0_out_where_p_is_below_the_level(seeds):
    rng = np.random.default_rng(9)
    verdicts = set()
    for mean in np.linspace(0, 0.3, 40):
        found = compare(*(crossed(rng, seeds=seeds, users=40, spread=(0.05, 0.3, 0.3), mean=m) for m in (mean, 0)))
        assert (found.p < 0.05) == (not found.ci95[0] <= 0 <= found.ci95[1])
        verdicts.add(found.p < 0.05)
    assert len(verdicts) == 2


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


def test_the_two_way_layout_by_hand():
    """Seeds' means 0, 2; users' means 0, 1, 2; no rest: squares 6, 2, 0, so a variance of 8 / 6 and 64 / 38 degrees."""
    values = np.array([[-1.0, 0.0, 1.0], [1.0, 2.0, 3.0]])
    error, freedom = np.sqrt(8 / 6), 8**2 / (6**2 / 1 + 2**2 / 2)
    low, high = interval(values)
    reach = max(error * stats.t.isf(0.025, freedom), stats.t.isf(0.025, 1))
    assert (low, high) == pytest.approx((1 - reach, 1 + reach))
    assert paired_p(values) == pytest.approx(max(2 * stats.t.sf(1 / error, freedom), 2 * stats.t.sf(1, 1)))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_truth(seeds):
    rng = np.random.default_rng(10)
    draws = [interval(crossed(rng, seeds=seeds, users=60, spread=(0.3, 0.5, 1), mean=0.2)) for _ in range(400)]
    assert np.mean([low <= 0.2 <= high for low, high in draws]) > 0.93


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


def test_holm_keeps_the_order_and_equal_and_tiny_values():
    """The worked example of R's p.adjust, and what a p of 0 or of the smallest number comes to."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.05, 0.01, 0.01]) == pytest.approx([0.05, 0.03, 0.03])
    assert holm([1e-300, 1.0, 5e-324]) == [2e-300, 1.0, 1.5e-323]


def test_holm_steps_down_from_the_smallest_p():
    draw = np.random.default_rng(0)
    for count in (0, 1, 2, 5, 40):
        p_values = draw.random(count) ** 3
        p_values[: count // 2] = p_values[count // 3 : count // 3 + count // 2].copy()  # some are equal
        places = np.argsort(p_values, kind="stable")
        steps = [min(1, max((count - at) * p_values[places[at]] for at in range(upto + 1))) for upto in range(count)]
        expected = dict(zip(places.tolist(), steps, strict=True))
        assert holm(p_values) == pytest.approx([expected[place] for place in range(count)], abs=1e-12)


def test_what_cant_be_paired_is_refused():
    for a, b in ((np.ones((2, 3)), np.ones((3, 3))), (np.ones(3), np.ones(3)), (np.ones((2, 0)), np.ones((2, 0)))):
        with pytest.raises(InputError, match="seeds, users"):
            compare(a, b)
