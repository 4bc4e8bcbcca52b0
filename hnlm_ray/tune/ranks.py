"""Methods over several data sets: average ranks, and which of them can't be told apart (Demsar, JMLR 2006)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.errors import InputError
from hnlm_ray.tune.significance import holm

Correction = Literal["nemenyi", "wilcoxon"]
LEVEL: Final = 0.05
_LEAST: Final = 2


@dataclass(frozen=True)
class Ranking:
    """Methods by their average rank, the best first.

    Attributes
    ----------
    methods, ranks
        Names, and their average ranks over the data sets; 1 is the best, equal figures share their ranks' mean.
    datasets
        How many data sets the ranks are means over.
    friedman_p
        p of "all methods rank alike" (Friedman's test with Iman and Davenport's F).
    correction, critical_difference
        How pairs are told apart, and Nemenyi's critical difference; none for Wilcoxon's tests with Holm's correction.
    p_values
        Corrected p of each pair of methods; empty for Nemenyi.
    cliques
        Runs of neighbours, as (first, last) places, of which no two can be told apart; the longest ones alone. All
        of them where Friedman's test finds no difference.
    """

    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    datasets: int
    friedman_p: float
    correction: Correction
    critical_difference: float | None
    p_values: Mapping[tuple[str, str], float]
    cliques: tuple[tuple[int, int], ...]


def rank_methods(methods: Sequence[str], figures: ArrayLike, correction: Correction = "nemenyi") -> Ranking:
    """Rank methods over data sets.

    Parameters
    ----------
    figures
        float[data sets, methods], more is better; one figure a data set and method (its mean over users and seeds).
    correction
        nemenyi: by average ranks. wilcoxon: signed-rank tests of all pairs, Holm-corrected; they don't depend on
        which other methods are there, and need about six data sets to find anything.

    Raises
    ------
    InputError
        Fewer than two data sets or methods, a name that is there twice, or a figure that isn't there or isn't finite.
    """
    values = _checked(methods, figures)
    from scipy import stats

    ranks = stats.rankdata(-values, axis=1)
    means = ranks.mean(0)
    order = sorted(range(len(methods)), key=lambda place: (means[place], methods[place]))
    named, sorted_means = tuple(methods[place] for place in order), means[order]
    p = friedman_p(ranks)
    distance = critical_difference(len(methods), len(values)) if correction == "nemenyi" else None
    pairs = {} if distance is not None else _wilcoxon(named, values[:, order])
    alike = _alike(sorted_means, named, distance, pairs) if p < LEVEL else np.ones((len(named), len(named)), bool)
    return Ranking(
        named, tuple(map(float, sorted_means)), len(values), p, correction, distance, pairs, tuple(_cliques(alike))
    )


def _checked(methods: Sequence[str], figures: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(figures, np.float64)
    if values.ndim != 2 or values.shape[1] != len(methods) or min(values.shape) < _LEAST:
        raise InputError(
            f"ranks need figures [data sets, {len(methods)} methods] of two or more each, got {list(values.shape)}"
        )
    if len(set(methods)) < len(methods):
        raise InputError(f"ranks need each method once, got {', '.join(methods)}")
    lacking = [name for name, column in zip(methods, values.T, strict=True) if not np.isfinite(column).all()]
    if lacking:
        raise InputError(f"{', '.join(lacking)} lack a figure on some data set: leave these methods or data sets out")
    return values


def friedman_p(ranks: NDArray[np.float64]) -> float:
    """Return p of "all methods rank alike" from float[data sets, methods], with ties (Iman and Davenport, 1980).

    F takes few data sets that agree for a proof, so p is at least what :func:`least_p` says.
    """
    from scipy import stats

    datasets, methods = ranks.shape
    ties = (ranks**2).sum() - datasets * methods * (methods + 1) ** 2 / 4
    if ties == 0:
        return 1.0
    between = ((ranks.sum(0) - datasets * (methods + 1) / 2) ** 2).sum()
    chi = (methods - 1) * between / ties
    most = datasets * (methods - 1)
    if math.isclose(chi, most):
        return least_p(ranks)
    f = (datasets - 1) * chi / (most - chi)
    return max(least_p(ranks), float(stats.f.sf(f, methods - 1, (methods - 1) * (datasets - 1))))


def least_p(ranks: NDArray[np.float64]) -> float:
    """Return how likely these ranks are, whichever method has which, where each data set's order is chance."""
    orders = [
        math.factorial(len(row)) // math.prod(map(math.factorial, Counter(row).values())) for row in ranks.tolist()
    ]
    return max(orders) / math.prod(orders)


def critical_difference(methods: int, datasets: int) -> float:
    """Return by how much average ranks must differ at the level 0.05 (Nemenyi's test)."""
    from scipy import stats

    q = float(stats.studentized_range.isf(LEVEL, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * datasets))


def _wilcoxon(methods: Sequence[str], values: NDArray[np.float64]) -> dict[tuple[str, str], float]:
    from scipy import stats

    pairs = [(a, b) for a in range(len(methods)) for b in range(a + 1, len(methods))]
    differences = [values[:, a] - values[:, b] for a, b in pairs]
    found = [float(stats.wilcoxon(own).pvalue) if own.any() else 1.0 for own in differences]
    return {(methods[a], methods[b]): p for (a, b), p in zip(pairs, holm(found), strict=True)}


def _alike(
    means: NDArray[np.float64],
    methods: Sequence[str],
    distance: float | None,
    pairs: Mapping[tuple[str, str], float],
) -> NDArray[np.bool_]:
    """Return for each pair of places whether the methods can't be told apart."""
    if distance is not None:
        return np.abs(means[:, None] - means[None, :]) < distance
    alike = np.eye(len(methods), dtype=bool)
    for (a, b), p in pairs.items():
        first, second = methods.index(a), methods.index(b)
        alike[first, second] = alike[second, first] = p >= LEVEL
    return alike


def _cliques(alike: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the longest runs of two places or more of which all pairs are alike."""
    ends = []
    for first in range(len(alike)):
        last = first
        while last + 1 < len(alike) and alike[first : last + 2, first : last + 2].all():
            last += 1
        ends.append(last)
    return [(first, last) for first, last in enumerate(ends) if last > first and (first == 0 or ends[first - 1] < last)]
