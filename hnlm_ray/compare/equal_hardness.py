"""False negatives at equal hardness: samplers that drew for the same pairs, against the curve of DNS.

Users are the sample: they are drawn with replacement, each with all of its pairs, and all samplers are measured anew on
the users drawn. So the curve and what is compared with it vary together, as they do. The model stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.samples import user_draws
from hnlm_ray.compare.significance import CONFIDENCE, ROUNDING

if TYPE_CHECKING:
    from hnlm_ray.cf.training.hardness import Drawn

RESAMPLES: Final = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95% interval and the two-sided p value of "it is 0", before any correction.

    ``error`` is its resampled deviation; the interval is that times Student's t with users - 1 degrees of freedom, and
    p is below 0.05 where it leaves 0 out.
    """

    value: float
    error: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, values: Floats, users: int) -> Estimate:
        """Return it from float64[1 + resamples]: the figure, then the same of each resample."""
        from scipy import stats

        value, error = float(values[0]), float(values[1:].std(ddof=1))
        reach = error * float(stats.t.isf((1 - CONFIDENCE) / 2, users - 1))
        if error <= ROUNDING:
            return cls(value, 0.0, value, value, 1.0 if abs(value) <= ROUNDING else float(np.finfo(float).tiny))
        p = float(2 * stats.t.sf(abs(value) / error, users - 1))
        return cls(value, error, value - reach, value + reach, max(p, float(np.finfo(float).tiny)))


@dataclass(frozen=True)
class Resampled:
    """A sampler's figures on all users, first, and on each resample of them: float64[1 + resamples] both."""

    hardness: Floats
    share: Floats


def resample(drawn: Sequence[Drawn], seed: int, resamples: int = RESAMPLES) -> list[Resampled]:
    """Return the figures of samplers that drew for the same pairs, in the same order, on the same resamples of users.

    A figure is the mean over the pairs of the users drawn, a user who is drawn twice counting twice.
    """
    _, place = np.unique(drawn[0].users, return_inverse=True)
    pairs = np.bincount(place).astype(np.float64)
    sums = np.stack([np.bincount(place, by_pair) for one in drawn for by_pair in (one.wins, one.false)])
    draws = chain([np.ones((1, len(pairs)))], user_draws(len(pairs), seed, resamples))
    parts = [(counts @ sums.T) / (counts @ pairs)[:, None] for counts in draws]
    figures = np.concatenate(parts).T
    return [Resampled(*both) for both in zip(figures[0::2], figures[1::2], strict=True)]


@dataclass(frozen=True)
class Saved:
    """What a sampler saves at equal hardness: ``reference`` is the curve's share there, ``values`` reference - own."""

    reference: float
    values: Floats


def saved(own: Resampled, curve: Sequence[Resampled], users: int) -> Saved | None:
    """Return how far a sampler's share of false negatives lies below the curve, float64[1 + resamples].

    None where no sampler of the curve, and no two by turns, are as easy or as hard: where the interval of the
    difference between its hardness and that of the curve's end leaves 0 out.
    """
    if _beyond(own, curve, users):
        return None
    reference = lowest_share(own.hardness, curve)
    return Saved(float(reference[0]), reference - own.share)


def _beyond(own: Resampled, curve: Sequence[Resampled], users: int) -> bool:
    by_hardness = sorted(curve, key=lambda one: float(one.hardness[0]))
    below, above = own.hardness - by_hardness[0].hardness, own.hardness - by_hardness[-1].hardness
    return bool(Estimate.of(below, users).high < -ROUNDING or Estimate.of(above, users).low > ROUNDING)


def lowest_share(hardness: Floats, curve: Sequence[Resampled]) -> Floats:
    """Return the lowest share that the curve has at a hardness, float64[n], each n by the curve of its own resample.

    Two samplers taken by turns have every hardness between theirs, and a share in proportion: the line between their
    two points. So the lowest share that the curve's samplers come to is that of the lowest such line, the curve's lower
    convex hull. Beyond its ends the outermost lines go on: for what chance alone puts there.
    """
    hard, shares = (np.stack([getattr(one, name) for one in curve]) for name in ("hardness", "share"))
    order = hard.argsort(0)
    hard, shares = (np.take_along_axis(both, order, 0) for both in (hard, shares))
    lines = [_between(hardness, hard[[a, b]], shares[[a, b]]) for a, b in combinations(range(len(curve)), 2)]
    ends = [shares[end] + (hardness - hard[end]) * _slope(hard, shares, end) for end in (0, -1)]
    inside = np.min(lines, axis=0)
    found: Floats = np.where(hardness < hard[0], ends[0], np.where(hardness > hard[-1], ends[1], inside))
    return found


def _between(at: Floats, hard: Floats, shares: Floats) -> Floats:
    """Return the share of two samplers by turns, float64[n], the easier one first; infinite where they don't reach."""
    part = _ratio(at - hard[0], hard[1] - hard[0])
    return np.where((hard[0] <= at) & (at <= hard[1]), shares[0] + part * (shares[1] - shares[0]), np.inf)


def _slope(hard: Floats, shares: Floats, end: int) -> Floats:
    """Return the slope of the hull's first line (end 0) or its last one (end -1), float64[n]."""
    others = slice(1, None) if end == 0 else slice(None, -1)
    slopes = _ratio(shares[others] - shares[end], hard[others] - hard[end])
    found: Floats = slopes.min(0) if end == 0 else slopes.max(0)
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return the ratio; 0 where two samplers are equally hard."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
