"""How large a difference is, beside how sure: relative, standardised, and as users won and lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hnlm_ray.compare.significance import LEAST_USERS, ROUNDING, interval, paired

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
