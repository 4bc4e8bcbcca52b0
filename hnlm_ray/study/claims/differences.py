"""A claim's tests: differences with their intervals, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from hnlm_ray.compare.method_rows import Refits, Scope, searches_of, unit_means
from hnlm_ray.compare.significance import Spread, around, compare, p_of_means, spreads
from hnlm_ray.config.study import ClaimName

LEVEL: Final = 0.05
MARGIN: Final = 0.01
"""The least gain that matters, as a share of what is compared with: where the interval rules it out, there is none."""
Outcome = Literal["holds", "does not hold", "can't be told"]


@dataclass(frozen=True)
class Difference:
    """One measured difference that a claim says is above 0.

    Attributes
    ----------
    about
        What was compared, in words.
    unit
        Of the difference.
    spreads
        How surely it is known: they make its intervals.
    p
        Two-sided, before any correction.
    base
        The figure that it is compared with: it makes the margin.
    speaks_of
        Whether it is one of methods, or of the configurations that a search found for them.
    """

    about: str
    unit: str
    difference: float
    spreads: tuple[Spread, ...]
    p: float
    base: float
    speaks_of: Scope = "configurations"

    @property
    def ci95(self) -> tuple[float, float]:
        """Its 95% interval, as if it were the only one."""
        return around(self.difference, self.spreads)

    def simultaneous(self, tests: int) -> tuple[float, float]:
        """Return its interval of a confidence by which all of so many hold together in 95% (Bonferroni)."""
        return around(self.difference, self.spreads, 1 - LEVEL / tests)

    def outcome(self, p_corrected: float, tests: int) -> Outcome:
        """Say whether the difference is above 0, no gain that matters, or neither can be said.

        Both are said of all tests together: above 0 by the corrected p, no gain by the simultaneous interval.

        Parameters
        ----------
        tests
            How many differences are tested.
        """
        if self.difference > 0 and p_corrected < LEVEL:
            return "holds"
        return "does not hold" if self.simultaneous(tests)[1] < self._margin else "can't be told"

    def needed(self, tests: int) -> float:
        """Return how many times as much of what is sampled would tell, if the difference stays: 1 or more.

        Enough to tell it from 0, or from the margin where that is further away; infinite where both are 0.
        """
        low, high = self.simultaneous(tests)
        least = max(self.difference, self._margin - self.difference)
        return max(1.0, ((high - low) / 2 / least) ** 2) if least else math.inf

    @property
    def _margin(self) -> float:
        return MARGIN * abs(self.base)


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


def over_users(about: str, unit: str, a: ArrayLike, b: ArrayLike, *, speaks_of: Scope) -> Difference:
    """Return a - b of float[units, users]: users and units (searches, or the seeds of one) are samples."""
    found = compare(a, b)
    base = float(np.asarray(b).mean())
    return Difference(about, unit, found.difference, found.spreads, found.p, base, speaks_of)


def over_refits(about: str, unit: str, refits: Refits, a: ArrayLike, b: ArrayLike, *, speaks_of: Scope) -> Difference:
    """Return a - b of float[refits], two at least: one figure each, so that searches or seeds alone are the sample."""
    ours, base = (unit_means(values, searches_of(refits)) for values in (a, b))
    return over_seeds(about, unit, ours, base, speaks_of=speaks_of)


def over_seeds(about: str, unit: str, a: ArrayLike, b: ArrayLike, *, speaks_of: Scope = "configurations") -> Difference:
    """Return a - b of float[units], two at least: one figure each, so that they alone are the sample."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    own = first - second
    known = tuple(spreads(own[:, None]))
    return Difference(about, unit, float(own.mean()), known, p_of_means(own), float(second.mean()), speaks_of)
