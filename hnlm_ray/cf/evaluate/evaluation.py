"""Full-ranking evaluation: metrics of every user at given cut-offs, and what all lists together show.

What all lists together show of the catalogue: coverage, inequality, popularity, novelty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives, contains
from hnlm_ray.cf.evaluate.metrics import check_cutoffs, ranking_metrics
from hnlm_ray.cf.evaluate.ranking import top_items
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer

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


MEASURED_USERS: Final = 2**13
"""Users whose hits are counted at a time: several 64-bit numbers for each place of a list."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of the users who have at least one held-out positive.

    Attributes
    ----------
    users
        int32[n], increasing.
    per_user
        float32[n] a metric; see :func:`ranking_metrics`.
    means
        Over these users.
    catalogue
        Figures of all their lists; see :func:`catalogue_figures`.
    ranked
        int32[n, r], their lists, -1 where there is no item left; r is the largest cut-off, at most the catalogue.
    """

    users: NDArray[np.int32]
    per_user: dict[str, NDArray[np.float32]]
    means: dict[str, float]
    catalogue: dict[str, float] = field(default_factory=dict)
    ranked: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 0), np.int32))


def evaluate(scorer: Scorer, data: CFData, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
    """Rank all items that a user hasn't seen and measure where the held-out ones come.

    Parameters
    ----------
    scorer
        What scores the catalogue for a user.
    split
        'validation' (train masked) or 'test' (train and validation masked).

    Raises
    ------
    InputError
        The split has no positives, a cut-off is no whole number from 1 on, or the scorer is of other data.
    DivergedError
        A score is NaN or inf.
    """
    check_cutoffs(cutoffs)
    _check_scorer(scorer, data)
    held_out = data.held_out(split)
    users = held_out.active_users()
    ranked, _ = top_items(scorer, users, data.seen_before(split), min(max(cutoffs), data.items))
    per_user = _measured(held_out, users, ranked, data.items, cutoffs)
    means = {name: float(values.mean(dtype=np.float64)) for name, values in per_user.items()}
    catalogue = catalogue_figures(ranked, data.train.popularity(data.items), data.users, cutoffs)
    return Evaluation(users, per_user, means, catalogue, ranked)


def _check_scorer(scorer: Scorer, data: CFData) -> None:
    users = len(scorer.user_embeddings) if isinstance(scorer, EmbeddingScores) else data.users
    if (users, scorer.items) != (data.users, data.items):
        raise InputError(
            f"the scorer has {users} users and {scorer.items} items, the data {data.users} and {data.items}; "
            "rank by one of this data"
        )


def _measured(
    held_out: Positives, users: NDArray[np.int32], ranked: NDArray[np.int32], n_items: int, cutoffs: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    keys, relevant, parts = held_out.keys(n_items), held_out.degree[users], list[dict[str, NDArray[np.float32]]]()
    for start in range(0, len(users), MEASURED_USERS):
        block = slice(start, start + MEASURED_USERS)
        listed = users[block, None].astype(np.int64) * n_items + ranked[block]
        hits = contains(keys, listed) & (ranked[block] >= 0)
        parts.append(ranking_metrics(hits, relevant[block], cutoffs))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
