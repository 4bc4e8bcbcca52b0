"""Is one method better than another? Paired over the same users and the same units.

A unit is a search, its value for a user the mean over the seeds nested in it; with a single search it is a seed
(:mod:`hnlm_ray.compare.method_rows`). The difference of user u in unit s is modelled as crossed random effects,
d = m + unit + user + rest: users *and* units are samples, so that neither a few lucky users nor a lucky search or seed
makes a result. Of seeds of one search the answer holds for the two configurations that were refitted: what another
search would have found is not in it.

Pairing by unit is right whether or not it means the same draws to both methods: what the differences vary by
is measured, not assumed. Where a unit gives both the same start, that part cancels; where the units have nothing
in common, pairing costs degrees of freedom and no validity.

How large a difference is, beside how sure: relative, standardised, and as users won and lost.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.base.errors import InputError

LEAST_USERS: Final = 2
_LEAST_CORRECTED: Final = 2
CONFIDENCE: Final = 0.95
ROUNDING: Final = 1e-12
"""A spread below this share of the mean comes from rounding."""


@dataclass(frozen=True)
class Spread:
    """How surely a mean is known: its standard error, and the degrees of freedom of that."""

    error: float
    freedom: float


@dataclass(frozen=True)
class Comparison:
    """Mean of a - b, how surely it is known, and the two-sided p value (before any correction)."""

    difference: float
    spreads: tuple[Spread, ...]
    p: float

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95% interval."""
        return around(self.difference, self.spreads)


def compare(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Compare two methods by their per-user values; p is below 0.05 where the interval leaves 0 out.

    Parameters
    ----------
    a, b
        float[units, users]; row s of both is of the same search or seed, column u is the same user.

    Raises
    ------
    InputError
        The shapes differ, or there is nothing to compare.
    """
    differences = np.subtract(*paired(a, b))
    return Comparison(float(differences.mean()), tuple(spreads(differences)), paired_p(differences))


def paired(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as float64[units, users]; InputError where they are no pair."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        shapes = f"{first.shape} and {second.shape}"
        raise InputError(f"a paired comparison needs two arrays [searches or seeds, users], got {shapes}")
    return first, second


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95% interval of the mean of float[units, users]; of one user's value, over the units alone."""
    return around(float(differences.mean()), spreads(differences))


def around(mean: float, known: Sequence[Spread], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the widest of the intervals around a mean that its spreads give."""
    from scipy import stats

    reach = max(spread.error * float(stats.t.isf((1 - confidence) / 2, spread.freedom)) for spread in known)
    return mean - reach, mean + reach


def paired_p(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p value of "the mean of float[units, users] is 0", the largest over :func:`spreads`.

    With one unit only the users count. Equal inputs give 1, and so does one user: nothing tells how users
    vary. Where no value differs from another, p is that of all users' signs agreeing by chance,
    2^(1 - users); never 0.
    """
    from scipy import stats

    mean = float(differences.mean())
    users = differences.shape[1]
    if mean == 0 or users < LEAST_USERS:
        return 1.0
    found = [spread for spread in spreads(differences) if spread.error > ROUNDING * abs(mean)]
    if not found:
        return max(math.ldexp(1.0, 1 - users), sys.float_info.min)
    p = max(float(2 * stats.t.sf(abs(mean) / spread.error, spread.freedom)) for spread in found)
    return max(p, sys.float_info.min)


def p_of_means(values: NDArray[np.float64]) -> float:
    """Return the two-sided p value of "the mean of float[n] is 0": the t test of one figure a unit; never 0.

    One unit gives 1, and so does a mean of 0. Where no value differs from another, p is that of all signs agreeing by
    chance, 2^(1 - n).
    """
    from scipy import stats

    mean, count = float(values.mean()), len(values)
    if mean == 0 or count == 1:
        return 1.0
    known = _of_means(values)
    if known.error <= ROUNDING * abs(mean):
        return max(math.ldexp(1.0, 1 - count), sys.float_info.min)
    return max(float(2 * stats.t.sf(abs(mean) / known.error, known.freedom)), sys.float_info.min)


def spreads(differences: NDArray[np.float64]) -> list[Spread]:
    """Return how surely the mean of float[units, users] is known, in the two ways that it must hold in.

    First over users and units: the variance of the two-way random-effects layout,
    (MS_units + MS_users - MS_rest) / (units * users), at least what MS_units or MS_users alone would give,
    with Satterthwaite's degrees of freedom. These are too many where few units agree by luck while a unit
    matters much, so second over the units alone: the t test on the units' means.
    """
    units, users = differences.shape
    by_unit, by_user = differences.mean(1), differences.mean(0)
    if users < LEAST_USERS:
        return [_of_means(by_unit)]
    if units == 1:
        return [_of_means(by_user)]
    return [_two_way(differences, by_unit, by_user), _of_means(by_unit)]


def _of_means(means: NDArray[np.float64]) -> Spread:
    count = len(means)
    return Spread(math.sqrt(float(means.var(ddof=1)) / count), count - 1) if count > 1 else Spread(0.0, 1)


def _two_way(differences: NDArray[np.float64], by_unit: NDArray[np.float64], by_user: NDArray[np.float64]) -> Spread:
    units, users = differences.shape
    rest = differences - by_unit[:, None] - by_user[None, :] + differences.mean()
    square_units = users * float(by_unit.var(ddof=1))
    square_users = units * float(by_user.var(ddof=1))
    square_rest = float((rest**2).sum()) / ((units - 1) * (users - 1))
    total = max(square_units + square_users - square_rest, square_units, square_users)
    spread = square_units**2 / (units - 1) + square_users**2 / (users - 1)
    spread += square_rest**2 / ((units - 1) * (users - 1))
    return Spread(math.sqrt(total / (units * users)), total**2 / spread if spread else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p values, in the order given (Holm, 1979)."""
    if len(p_values) < _LEAST_CORRECTED:
        return [float(p) for p in p_values]
    # With pandas it takes a third of a second to import.
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


Facts = dict[str, Any]


def effect(a: ArrayLike, b: ArrayLike) -> Facts:
    """Describe how far a is above b.

    Parameters
    ----------
    a, b
        float[units, users], paired by search or seed and by user.

    Returns
    -------
    dict
        ``relative``: mean(a) / mean(b) - 1, and ``relative_ci95``, from the spread of a - b * mean(a) / mean(b)
        (the delta method; null where b is 0). ``effect_size``: d_z, the mean over the standard deviation of the users'
        differences, each a mean over the units; null where these don't vary. ``wins``, ``ties``, ``losses``: users.

    Raises
    ------
    InputError
        The shapes differ, or there is nothing to compare.
    """
    first, second = paired(a, b)
    return {**_relative(first, second), "effect_size": standardised(by_user(first, second)), **counts(first, second)}


def by_user(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the users' differences, float64[users], means over the units; rounding is no difference."""
    differences = (a - b).mean(0)
    size = np.maximum(np.abs(a).max(0), np.abs(b).max(0))
    return np.where(np.abs(differences) <= ROUNDING * size, 0.0, differences)


def counts(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, int]:
    """Return for how many users a is above b, equal to it and below it."""
    signs = np.sign(by_user(a, b))
    return {name: int((signs == sign).sum()) for name, sign in (("wins", 1), ("ties", 0), ("losses", -1))}


def standardised(differences: NDArray[np.float64]) -> float | None:
    """Return d_z of float[users]: mean / standard deviation (n - 1)."""
    if len(differences) < LEAST_USERS:
        return None
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    return None if spread <= ROUNDING * abs(mean) else mean / spread


def in_groups(a: NDArray[np.float64], b: NDArray[np.float64], groups: Mapping[str, NDArray[np.bool_]]) -> Facts:
    """Return for each group (bool[users]) its size, mean difference, and users won, tied and lost.

    A user for whom a value is NaN is left out; a group without users is not there.
    """
    known = ~(np.isnan(a).any(0) | np.isnan(b).any(0))
    members = {name: np.flatnonzero(group & known) for name, group in groups.items()}
    return {name: _group(a[:, users], b[:, users]) for name, users in members.items() if len(users)}


def _group(a: NDArray[np.float64], b: NDArray[np.float64]) -> Facts:
    return {"users": a.shape[1], "difference": float((a - b).mean()), **counts(a, b)}


def _relative(a: NDArray[np.float64], b: NDArray[np.float64]) -> Facts:
    if b.mean() == 0:
        return {"relative": None, "relative_ci95": [None, None]}
    ratio = float(a.mean() / b.mean())
    around = interval((a - ratio * b) / b.mean())
    return {"relative": ratio - 1, "relative_ci95": [ratio - 1 + bound for bound in around]}
