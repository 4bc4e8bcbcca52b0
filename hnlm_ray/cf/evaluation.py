"""Full-ranking evaluation: Recall, NDCG, Precision, HitRate and MRR at given cut-offs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.metrics import ranking_metrics
from hnlm_ray.cf.positives import Positives
from hnlm_ray.cf.ranking import top_items
from hnlm_ray.cf.scoring import Scorer
from hnlm_ray.cf.sorted_keys import contains
from hnlm_ray.errors import InputError


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of the users who have at least one held-out positive.

    ``users`` int32[n], increasing; ``per_user`` float32[n] a metric; ``means`` over these users.
    """

    users: NDArray[np.int32]
    per_user: dict[str, NDArray[np.float32]]
    means: dict[str, float]


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
        The split has no positives, or a cut-off is below 1.
    DivergedError
        The scores are not finite.
    """
    if not cutoffs or min(cutoffs) < 1:
        raise InputError(f"cut-offs must be 1 or above, got {list(cutoffs)}")
    held_out = data.held_out(split)
    users = held_out.active_users()
    ranked, _ = top_items(scorer, users, data.seen_before(split), max(cutoffs))
    per_user = ranking_metrics(_hits(held_out, users, ranked, data.items), held_out.degree[users], cutoffs)
    means = {name: float(values.mean(dtype=np.float64)) for name, values in per_user.items()}
    return Evaluation(users, per_user, means)


def _hits(held_out: Positives, users: NDArray[np.int32], ranked: NDArray[np.int32], n_items: int) -> NDArray[np.bool_]:
    keys = users[:, None].astype(np.int64) * n_items + ranked
    return contains(held_out.keys(n_items), keys) & (ranked >= 0)
