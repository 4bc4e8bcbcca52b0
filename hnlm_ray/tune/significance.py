"""Is one method better than another? Paired over the same users and the same seeds.

The difference of user u under seed s is modelled as crossed random effects, d = m + seed + user + rest:
users *and* seeds are samples, so that neither a few lucky users nor a lucky seed makes a result.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.errors import InputError

RESAMPLES: Final = 2000
RESAMPLED_CELLS: Final = 2**21
LEAST_USERS: Final = 2
ROUNDING: Final = 1e-12
"""A spread below this share of the mean comes from rounding."""


@dataclass(frozen=True)
class Comparison:
    """Mean of a - b, its 95% interval, and the two-sided p value (before any correction)."""

    difference: float
    ci95: tuple[float, float]
    p: float


def compare(a: ArrayLike, b: ArrayLike, seed: int = 0, resamples: int = RESAMPLES) -> Comparison:
    """Compare two methods by their per-user values.

    Parameters
    ----------
    a, b
        float[seeds, users]; row s of both was trained with the same seed, column u is the same user.

    Raises
    ------
    InputError
        The shapes differ, or there is nothing to compare.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise InputError(f"a paired comparison needs two arrays [seeds, users], got {first.shape} and {second.shape}")
    differences = first - second
    return Comparison(
        float(differences.mean()), bootstrap_interval(differences, seed, resamples), paired_p(differences)
    )


def bootstrap_interval(differences: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95% percentile interval of the mean of float[seeds, users], both resampled."""
    seeds, users = differences.shape
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    chunk = max(1, RESAMPLED_CELLS // users)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds
        by_user = weights @ differences
        drawn = rng.integers(users, size=(count, users))
        means[start : start + count] = np.take_along_axis(by_user, drawn, 1).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def paired_p(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p value of "the mean of float[seeds, users] is 0".

    The variance of the mean is that of the two-way random-effects layout,
    (MS_seeds + MS_users - MS_rest) / (seeds * users), at least what MS_seeds or MS_users alone would give;
    its degrees of freedom are Satterthwaite's. With one seed only the users count. Equal inputs give 1, and
    so does one user: nothing tells how users vary. Where no value differs from another, p is that of all
    users' signs agreeing by chance, 2^(1 - users); never 0.
    """
    from scipy import stats

    mean = float(differences.mean())
    users = differences.shape[1]
    if mean == 0 or users < LEAST_USERS:
        return 1.0
    variance, freedom = _variance_of_mean(differences)
    if math.sqrt(variance) <= ROUNDING * abs(mean):
        return max(math.ldexp(1.0, 1 - users), sys.float_info.min)
    return max(float(2 * stats.t.sf(abs(mean) / math.sqrt(variance), freedom)), sys.float_info.min)


def _variance_of_mean(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variance of the grand mean and its degrees of freedom, for two users or more."""
    seeds, users = differences.shape
    mean, by_seed, by_user = differences.mean(), differences.mean(1), differences.mean(0)
    if seeds == 1:
        return float(by_user.var(ddof=1)) / users, users - 1
    rest = differences - by_seed[:, None] - by_user[None, :] + mean
    square_seeds = users * float(by_seed.var(ddof=1))
    square_users = seeds * float(by_user.var(ddof=1))
    square_rest = float((rest**2).sum()) / ((seeds - 1) * (users - 1))
    total = max(square_seeds + square_users - square_rest, square_seeds, square_users)
    spread = square_seeds**2 / (seeds - 1) + square_users**2 / (users - 1)
    spread += square_rest**2 / ((seeds - 1) * (users - 1))
    return total / (seeds * users), (total**2 / spread if spread else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p values, in the order given (Holm, 1979)."""
    order = np.argsort(np.asarray(p_values, np.float64), kind="stable")
    adjusted = np.empty(len(p_values))
    factors = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * np.asarray(p_values, np.float64)[order]))
    return [float(value) for value in adjusted]
