"""Full-ranking evaluation: metrics of every user at given cut-offs, and what all lists together show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives
from hnlm_ray.cf.data.sorted_keys import contains
from hnlm_ray.cf.evaluate.catalogue_figures import catalogue_figures
from hnlm_ray.cf.evaluate.cutoffs import check_cutoffs
from hnlm_ray.cf.evaluate.metrics import ranking_metrics
from hnlm_ray.cf.evaluate.ranking import top_items
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer

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
