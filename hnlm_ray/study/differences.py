"""A claim's tests: differences with their intervals, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from hnlm_ray.config.study import ClaimName
from hnlm_ray.tune.significance import LEAST_USERS, ROUNDING, compare, interval

LEVEL: Final = 0.05
MARGIN: Final = 0.01
"""The least gain that matters, as a share of what is compared with: where the interval rules it out, there is none."""
Outcome = Literal["holds", "does not hold", "can't be told"]
Facts = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """One measured difference that a claim says is above 0.

    Attributes
    ----------
    about
        What was compared, in words.
    unit
        Of the difference.
    base
        The figure that it is compared with: it makes the margin.
    p
        Two-sided, before any correction.
    """

    about: str
    unit: str
    difference: float
    ci95: tuple[float, float]
    p: float
    base: float

    def outcome(self, p_corrected: float) -> Outcome:
        """Say whether the difference is above 0, no gain that matters, or neither can be said."""
        if self.difference > 0 and p_corrected < LEVEL:
            return "holds"
        return "does not hold" if self.ci95[1] < MARGIN * abs(self.base) else "can't be told"

    def needed(self) -> float:
        """Return how many times as many test users and seeds would tell, if the difference stays: 1 or more.

        Enough to tell it from 0, or from the margin where it is smaller than that.
        """
        reach = (self.ci95[1] - self.ci95[0]) / 2
        least = max(abs(self.difference), MARGIN * abs(self.base))
        return max(1.0, (reach / least) ** 2) if least else math.inf


@dataclass(frozen=True)
class Tested:
    """A claim with what was measured for it.

    Attributes
    ----------
    claim
        What is claimed.
    differences
        What must be above 0, each of them, for it to hold.
    figures
        Rows of figures beside the tests.
    lacking
        Why a data set or a part of the claim is not tested; with no difference at all, why the claim is not.
    unproven
        What must be there before it can be said to hold, whatever the differences are; none: nothing more.
    """

    name: ClaimName
    claim: str
    differences: Sequence[Difference] = ()
    figures: Sequence[Mapping[str, Any]] = ()
    lacking: Sequence[str] = field(default_factory=tuple)
    unproven: str | None = None


def over_users(about: str, unit: str, a: ArrayLike, b: ArrayLike) -> Difference:
    """Return a - b of float[seeds, users]: users and seeds are samples."""
    found = compare(a, b)
    return Difference(about, unit, found.difference, found.ci95, found.p, float(np.asarray(b).mean()))


def over_seeds(about: str, unit: str, a: ArrayLike, b: ArrayLike) -> Difference:
    """Return a - b of float[seeds], two at least: one figure a refit, so that the seeds alone are a sample."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    own = first - second
    low, high = interval(own[:, None])
    return Difference(about, unit, float(own.mean()), (low, high), _p(own), float(second.mean()))


def _p(own: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    from scipy import stats

    mean = float(own.mean())
    if mean == 0 or len(own) < LEAST_USERS:
        return 1.0
    error = float(own.std(ddof=1)) / math.sqrt(len(own))
    if error <= ROUNDING * abs(mean):
        return math.ldexp(1.0, 1 - len(own))  # all signs agree by chance
    return float(2 * stats.t.sf(abs(mean) / error, len(own) - 1))
