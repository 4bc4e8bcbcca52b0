"""What all lists together show of the catalogue: coverage, inequality, popularity, novelty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEAD: Final = 0.2
"""The share of the catalogue's items that counts as popular."""


def catalogue_figures(
    ranked: NDArray[np.int32], popularity: NDArray[np.int64], n_users: int, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Return coverage, gini, popularity, popularity_share and novelty at every cut-off k, named ``coverage@k``.

    e(i) is the number of lists that hold item i in their first k places, n the size of the catalogue.

    - ``coverage@k``: the share of items with e(i) > 0.
    - ``gini@k``: the sum of abs(e(i) - e(j)) over all pairs (i, j), divided by 2 n times the sum of e. 0: every
      item is in equally many lists; 1 - 1 / n: all places hold one item.
    - ``popularity@k``: the mean over all places of the item's training positives.
    - ``popularity_share@k``: the share of places that hold one of the ceil(n / 5) most popular items (of equal
      popularity the lower index).
    - ``novelty@k``: the mean of -log2 p(i) over all places, p(i) being the share of users that i is a training
      positive of (Zhou et al., PNAS 2010). An item without any counts as if one user had it.

    Where no list holds an item all of them are 0. Time: users times k, and a sort of the catalogue.

    Parameters
    ----------
    ranked
        int32[users, ranks], the lists; -1 is no item.
    popularity
        int64[items], training positives of each item.
    n_users
        Users of the training data.
    """
    order = np.lexsort((np.arange(len(popularity)), -popularity))
    head = order[: int(np.ceil(HEAD * len(popularity)))]
    information = np.log2(n_users) - np.log2(np.maximum(popularity, 1))
    figures: dict[str, float] = {}
    for k in cutoffs:
        shown = ranked[:, :k]
        exposure = np.bincount(shown[shown >= 0], minlength=len(popularity))
        places = max(int(exposure.sum()), 1)
        figures[f"coverage@{k}"] = float(np.mean(exposure > 0))
        figures[f"gini@{k}"] = gini(exposure)
        figures[f"popularity@{k}"] = float((exposure * popularity).sum() / places)
        figures[f"popularity_share@{k}"] = float(exposure[head].sum() / places)
        figures[f"novelty@{k}"] = float((exposure * information).sum() / places)
    return figures


def gini(exposure: NDArray[np.integer]) -> float:
    """Return the Gini index of int[n] counts, 0 where all are 0.

    With the counts in rising order e_1 .. e_n it is the sum of (2 j - n - 1) e_j over n times the sum of e.
    """
    n, total = len(exposure), int(exposure.sum())
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * np.sort(exposure)).sum() / (n * total)) if total else 0.0
