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


def worth_of(
    users: Indices, items: Indices, verdicts: Verdicts, held_out: tuple[Indices, Indices], n_items: int
) -> list[Worth]:
    """Return what each verdict is worth, ``yes`` first.

    Parameters
    ----------
    users, items, verdicts
        As :func:`hnlm_ray.evidence.judgements.load_judgements` gives them.
    held_out
        Users and items of the validation and test rows.
    """
    hits = np.isin(_keys(users, items, n_items), _keys(*held_out, n_items))
    overall = float(hits.mean()) if len(hits) else 0.0
    return [_worth(word, hits[verdicts == value], overall) for word, value in VERDICTS.items()]


def chance(worth: list[Worth]) -> float | None:
    """Return the probability that ``yes`` and ``no`` differ this much by chance (Fisher's exact test, two-sided).

    Candidates count as independent, though those of one user are alike. None where one of the two has no candidates.
    """
    from scipy.stats import fisher_exact

    table = [[one.held_out, one.judged - one.held_out] for one in worth if one.verdict in {"yes", "no"}]
    return float(fisher_exact(table).pvalue) if all(map(any, table)) else None


def _keys(users: Indices, items: Indices, n_items: int) -> NDArray[np.int64]:
    return users.astype(np.int64) * n_items + items


def _worth(word: str, hits: NDArray[np.bool_], overall: float) -> Worth:
    rate = float(hits.mean()) if len(hits) else None
    lift = rate / overall if rate is not None and overall else None
    return Worth(word, len(hits), int(hits.sum()), rate, lift)
