"""Ranking metrics of one list a user, from its hits.

Cut-offs and names of metrics, as a caller gives them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError


def ranking_metrics(
    hits: NDArray[np.bool_], relevant: NDArray[np.integer], cutoffs: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    """Return recall, ndcg, precision, hit_rate, mrr and map at every cut-off k, float32[users], named ``recall@k``.

    With n relevant items, ndcg and map are divided by what a list of min(n, k) hits at its head has: the sum of
    1 / log2(rank + 1) over the ranks 1 .. min(n, k), and min(n, k). map sums, over the hits, the share of hits
    in the list down to that rank.

    Parameters
    ----------
    hits
        bool[users, ranks]: is the item at this rank held out? Ranks below the last are no hits.
    relevant
        int[users]: held-out positives of the user, at least 1.
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    found = hits.cumsum(1)
    gains = (hits / np.log2(ranks + 1)).cumsum(1)
    shares = (hits * found / ranks).cumsum(1)
    best = np.minimum(relevant[:, None], np.asarray(cutoffs))
    ideal = (1 / np.log2(np.arange(2, best.max(initial=0) + 2))).cumsum()
    values: dict[str, NDArray[np.float64]] = {}
    for k, of in zip(cutoffs, best.T, strict=True):
        last = min(k, hits.shape[1]) - 1
        hit = found[:, last] > 0
        values[f"recall@{k}"] = found[:, last] / relevant
        values[f"ndcg@{k}"] = gains[:, last] / ideal[of - 1]
        values[f"precision@{k}"] = found[:, last] / k
        values[f"hit_rate@{k}"] = hit.astype(np.float64)
        values[f"mrr@{k}"] = np.where(hit, 1 / (1 + hits.argmax(1)), 0.0)
        values[f"map@{k}"] = shares[:, last] / of
    return {name: value.astype(np.float32) for name, value in values.items()}


def check_cutoffs(cutoffs: Sequence[int]) -> None:
    """Raise InputError unless these are whole numbers from 1 on, at least one."""
    whole = all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in cutoffs)
    if not cutoffs or not whole or min(cutoffs) < 1:
        raise InputError(f"cut-offs must be whole numbers, 1 or above, got {list(cutoffs)}")


def check_metric(metric: str, cutoffs: Sequence[int]) -> None:
    """Raise InputError, with what is near, where a metric isn't measured at ``cutoffs``."""
    check_cutoffs(cutoffs)
    measured = list(ranking_metrics(np.zeros((0, 1), np.bool_), np.zeros(0, np.int64), cutoffs))
    if metric not in measured:
        near = difflib.get_close_matches(metric, measured, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(measured)}"
        raise InputError(f"metric {metric!r} isn't measured at cut-offs {list(cutoffs)}: {hint}")
