"""Whether verdicts tell anything: how often candidates of each verdict are held-out positives of their user.

Counted after everything else and fed back into nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    tables = _tables(judged)
    if not tables.shape[2]:
        return None
    from scipy.stats import chi2

    # It imports pandas, which takes half a second.
    from statsmodels.stats.contingency_tables import StratifiedTable  # type: ignore[import-untyped]

    # Its own p is 1 less the distribution function: 0 for all below 1e-16.
    return float(chi2.sf(StratifiedTable(tables).test_null_odds().statistic, 1))


def _tables(judged: Judged) -> NDArray[np.float64]:
    """Return how many candidates are ``yes`` and ``no``, held out and not: float64[2, 2, users].

    Users without both verdicts and both kinds tell nothing.
    """
    sure = judged.verdicts != 0
    users, yes, hits = judged.users[sure], judged.verdicts[sure] > 0, judged.hits[sure]
    n, y, h, both = (np.bincount(users, weight) for weight in (np.ones(len(users)), yes, hits, yes & hits))
    tables = np.array([[both, y - both], [h - both, n - y - h + both]])
    return tables[..., (y > 0) & (y < n) & (h > 0) & (h < n)]


def _keys(users: Indices, items: Indices, n_items: int) -> NDArray[np.int64]:
    return users.astype(np.int64) * n_items + items


def _worth(word: str, hits: NDArray[np.bool_], overall: float) -> Worth:
    rate = float(hits.mean()) if len(hits) else None
    lift = rate / overall if rate is not None and overall else None
    return Worth(word, len(hits), int(hits.sum()), rate, lift)
