"""Ranking metrics of one list a user, from its hits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ranking_metrics(
    hits: NDArray[np.bool_], relevant: NDArray[np.integer], cutoffs: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    """Return recall, ndcg, precision, hit_rate and mrr at every cut-off k, float32[users] each, named ``recall@k``.

    Parameters
    ----------
    hits
        bool[users, ranks]: is the item at this rank held out? At least as many ranks as the largest cut-off.
    relevant
        int[users]: held-out positives of the user, at least 1.
    """
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])
    values: dict[str, NDArray[np.float64]] = {}
    for k in cutoffs:
        top = hits[:, :k]
        found = top.sum(1)
        values[f"recall@{k}"] = found / relevant
        values[f"ndcg@{k}"] = (top * discounts[:k]).sum(1) / ideal[np.minimum(relevant, k)]
        values[f"precision@{k}"] = found / k
        values[f"hit_rate@{k}"] = (found > 0).astype(np.float64)
        values[f"mrr@{k}"] = np.where(found > 0, 1 / (1 + top.argmax(1)), 0.0)
    return {name: value.astype(np.float32) for name, value in values.items()}
