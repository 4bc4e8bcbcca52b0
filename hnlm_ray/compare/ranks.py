"""Methods over several data sets: average ranks, and which of them can't be told apart (Demsar, JMLR 2006)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError

LEVEL: Final = 0.05
_LEAST: Final = 2


@dataclass(frozen=True, eq=False)
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
    critical_difference
        By how much average ranks must differ to be told apart by Nemenyi's test.
    p_values
        float64[methods, methods]; Nemenyi's p of "the two rank alike", in the order of ``methods``. All are 1 where
        Friedman's test finds no difference.
    cliques
        Runs of neighbours, as (first, last) places, of which no two can be told apart; the longest ones alone.
    """

    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    datasets: int
    friedman_p: float
    critical_difference: float
    p_values: NDArray[np.float64]
    cliques: tuple[tuple[int, int], ...]


def rank_methods(methods: Sequence[str], figures: ArrayLike) -> Ranking:
    """Rank methods over data sets, and tell them apart by average ranks (Nemenyi's test).

    Parameters
    ----------
    figures
        float[data sets, methods], more is better; one figure a data set and method (its mean over users and seeds).

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
    p = friedman_p(ranks)
    p_values = _nemenyi(values[:, order]) if p < LEVEL else np.ones((len(methods), len(methods)))
    return Ranking(
        tuple(methods[place] for place in order),
        tuple(map(float, means[order])),
        len(values),
        p,
        critical_difference(len(methods), len(values)),
        p_values,
        _cliques(p_values),
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

    F takes few data sets that agree for a proof, so p is at least what :func:`least_p` says. ``scipy.stats`` has
    Friedman's chi-square alone, for three methods or more that differ somewhere.
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


def _nemenyi(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p of each pair of columns of float64[data sets, methods], float64[methods, methods]."""
    # It imports pandas and pyplot, which takes a second.
    from scikit_posthocs import posthoc_nemenyi_friedman  # type: ignore[import-untyped]

    found: NDArray[np.float64] = posthoc_nemenyi_friedman(values).to_numpy()
    return found


def _cliques(p_values: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Return the largest groups of two methods or more of which no two can be told apart, as first and last place."""
    from scikit_posthocs import compact_letter_display

    letters = compact_letter_display(p_values, LEVEL)  # a text a method, with a place for each group
    groups = ([place for place, letter in enumerate(group) if letter != " "] for group in zip(*letters, strict=True))
    return tuple((own[0], own[-1]) for own in groups if len(own) > 1)
