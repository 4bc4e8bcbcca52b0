"""Ranks over data sets, against Demsar's worked example (2006, tables 2, 5 and 6) and scipy."""

import numpy as np
import pytest
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.compare.ranks import critical_difference, friedman_p, rank_methods

NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def test_the_worked_example():
    found = rank_methods(NAMES, AUC)
    ranks = dict(zip(found.methods, found.ranks, strict=True))
    assert ranks == pytest.approx({"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}, abs=1e-3)
    assert found.methods[0] == "C4.5+m+cf"
    assert found.datasets == 14
    # 9.28 and 3.69 there, which leave out the correction for ties.
    assert found.friedman_p < 0.05
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.cliques == ((0, 3),)  # "not powerful enough": the extremes differ by 1.18


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_tabled_quantiles(methods, q):
    assert critical_difference(methods, 6) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 36), abs=1e-3)


def test_friedman_agrees_with_scipy_and_iman_and_davenport():
    draw = np.random.default_rng(0)
    for values in (draw.normal(size=(9, 4)) + np.arange(4) / 2, draw.integers(0, 4, (8, 5)).astype(float)):
        chi = stats.friedmanchisquare(*values.T).statistic
        n, k = values.shape
        f = (n - 1) * chi / (n * (k - 1) - chi)
        assert friedman_p(stats.rankdata(-values, axis=1)) == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def test_methods_that_never_differ_and_that_always_do():
    same = rank_methods(("a", "b", "c"), np.ones((5, 3)))
    assert (same.friedman_p, same.ranks, same.cliques) == (1.0, (2.0, 2.0, 2.0), ((0, 2),))
    apart = rank_methods(("a", "b", "c"), np.tile([1.0, 3.0, 2.0], (30, 1)))
    assert (apart.methods, apart.ranks, apart.cliques) == (("b", "c", "a"), (1.0, 2.0, 3.0), ())
    assert apart.friedman_p == pytest.approx(6 / 6.0**30)


@pytest.mark.parametrize(
    ("figures", "p"),
    [
        ([[4, 3, 2, 1], [4, 3, 2, 1]], 1 / 24),
        ([[2, 1], [2, 1]], 1 / 2),
        ([[2, 1]] * 5, 1 / 16),
        ([[2, 2, 1], [2, 2, 1]], 1 / 3),
        ([[3, 2, 1], [2, 2, 1]], 1 / 3),
    ],
)
def test_few_data_sets_that_agree_prove_no_more_than_chance_allows(figures, p):
    assert rank_methods(tuple("abcd")[: len(figures[0])], np.array(figures, float)).friedman_p == pytest.approx(p)


def test_pairs_are_told_apart_by_nemenyis_test_where_friedmans_finds_a_difference():
    draw = np.random.default_rng(1)
    n, k = 12, 5
    found = rank_methods(tuple("abcde"), draw.normal(size=(n, k)) + np.arange(k))
    ranks = np.array(found.ranks)
    q = np.abs(ranks[:, None] - ranks) / np.sqrt(k * (k + 1) / (6 * n)) * np.sqrt(2)
    assert found.friedman_p < 0.05
    assert found.p_values == pytest.approx(stats.studentized_range.sf(q, k, np.inf), abs=1e-9)
    apart = np.abs(ranks[:, None] - ranks) >= found.critical_difference
    assert ((found.p_values < 0.05) == apart).all()
    assert apart.any()
    assert not apart.all()


def test_cliques_are_the_longest_runs_that_can_not_be_told_apart():
    draw = np.random.default_rng(4)
    several = 0
    for _ in range(40):
        n, k = draw.integers(6, 30), draw.integers(3, 12)
        found = rank_methods([str(place) for place in range(k)], draw.normal(size=(n, k)) + 0.3 * np.arange(k))
        alike = found.p_values >= 0.05
        runs = {(a, b) for a in range(k) for b in range(a + 1, k) if alike[a : b + 1, a : b + 1].all()}
        longest = {(a, b) for a, b in runs if not {(a - 1, b), (a, b + 1)} & runs}
        assert list(found.cliques) == sorted(longest)
        several += len(longest) > 1
    assert several > 10


def test_without_a_difference_by_friedman_all_are_one_clique():
    found = rank_methods(tuple("abcdefghi"), np.random.default_rng(48).normal(size=(5, 9)))
    assert np.ptp(found.ranks) > found.critical_difference  # Nemenyi's alone would tell the ends apart
    assert found.friedman_p > 0.05
    assert (found.p_values == 1).all()
    assert found.cliques == ((0, 8),)


def test_false_alarms_of_the_ranks_are_rare():
    draw = np.random.default_rng(3)
    apart = [rank_methods(tuple("abcd"), draw.normal(size=(8, 4))).cliques != ((0, 3),) for _ in range(300)]
    assert np.mean(apart) < 0.08


@pytest.mark.parametrize(
    ("names", "figures", "told"),
    [
        (("a", "b"), np.ones((1, 2)), r"\[1, 2\]"),
        (("a",), np.ones((3, 1)), r"\[3, 1\]"),
        (("a", "b", "c"), np.ones((3, 2)), "3 methods"),
        (("a", "a"), np.ones((3, 2)), "each method once"),
        (("a", "b"), np.array([[1, np.nan], [1, 2]]), "b lack a figure"),
    ],
)
def test_what_can_not_be_ranked_is_refused(names, figures, told):
    with pytest.raises(InputError, match=told):
        rank_methods(names, figures)
