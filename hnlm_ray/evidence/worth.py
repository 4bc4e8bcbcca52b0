"""Whether verdicts tell anything: how often candidates of each verdict are held-out positives of their user.

Counted after everything else and fed back into nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.evidence.answers import VERDICTS
from hnlm_ray.evidence.judgements import Indices, Verdicts


@dataclass(frozen=True)
class Worth:
    """The candidates of a verdict.

    ``held_out``: those that are held-out positives of their user; ``rate``: their share; ``lift``: the rate by that of
    all judged candidates, so that evidence lifts ``yes`` above 1 and ``no`` below. None where there are no candidates,
    or no held-out positive among all that were judged.
    """

    verdict: str
    judged: int
    held_out: int
    rate: float | None
    lift: float | None


@dataclass(frozen=True, eq=False)
class Judged:
    """Judged pairs, and whether each is a held-out positive: ``users`` int32[n], ``verdicts`` float32[n], ``hits``."""

    users: Indices
    verdicts: Verdicts
    hits: NDArray[np.bool_]


def judged_of(judged: tuple[Indices, Indices, Verdicts], held_out: tuple[Indices, Indices], n_items: int) -> Judged:
    """Look up which judged pairs are held out.

    Parameters
    ----------
    judged
        As :func:`hnlm_ray.evidence.judgements.load_judgements` gives them.
    held_out
        Users and items of the validation and test rows.
    """
    users, items, verdicts = judged
    return Judged(users, verdicts, np.isin(_keys(users, items, n_items), _keys(*held_out, n_items)))


def worth_of(judged: Judged) -> list[Worth]:
    """Return what each verdict is worth, ``yes`` first."""
    overall = float(judged.hits.mean()) if len(judged.hits) else 0.0
    return [_worth(word, judged.hits[judged.verdicts == value], overall) for word, value in VERDICTS.items()]


def chance(judged: Judged) -> float | None:
    """Return how probable it is that ``yes`` and ``no`` of the same user differ this much by chance, two-sided.

    It is the test of Cochran, Mantel and Haenszel, each user a stratum: that some users have more held-out positives,
    or hear ``yes`` more often, is no evidence. None where no user has both verdicts, and both kinds of candidates.
    """
    sure = judged.verdicts != 0
    users, yes, hits = judged.users[sure], judged.verdicts[sure] > 0, judged.hits[sure]
    n, y, h, both = (np.bincount(users, weight) for weight in (np.ones(len(users)), yes, hits, yes & hits))
    n, y, h, both = (part[n > 1] for part in (n, y, h, both))
    variance = float((y * (n - y) * h * (n - h) / (n * n * (n - 1))).sum())
    return erfc(abs(float((both - y * h / n).sum())) / sqrt(2 * variance)) if variance else None


def _keys(users: Indices, items: Indices, n_items: int) -> NDArray[np.int64]:
    return users.astype(np.int64) * n_items + items


def _worth(word: str, hits: NDArray[np.bool_], overall: float) -> Worth:
    rate = float(hits.mean()) if len(hits) else None
    lift = rate / overall if rate is not None and overall else None
    return Worth(word, len(hits), int(hits.sum()), rate, lift)
