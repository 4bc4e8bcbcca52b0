"""How well a predicted vector finds the mined hard negative of a pair, among all items the user has not trained on.

95% intervals of means over held-out records, by resampling users: records of one user are drawn together.

The percentile bootstrap of clusters (Davison & Hinkley, Bootstrap Methods and their Application, 1997, 3.8). It takes
one fine-tuned model as given: how another training would have come out is not in the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hnlm_ray.base.samples import user_draws
from hnlm_ray.finetune.baselines import unit
from hnlm_ray.finetune.batches import Records
from hnlm_ray.teacher.vectors import Matrix

RESAMPLES: Final = 10_000
LEAST_USERS: Final = 6
"""With fewer users even differences that all have one sign come by chance in more than 5% of cases: 2^(1 - users)."""
_ENDS: Final = (2.5, 97.5)
Values = npt.NDArray[np.float64]
Users = npt.NDArray[np.integer]
Interval = tuple[float, float]


def intervals(values: Values, users: Users, seed: int) -> list[Interval] | None:
    """Return the 95% interval of the mean of each column of float64[records, columns]; none for too few users.

    ``users`` int[records] says whose each record is. The draws are those of the seed and the number of users alone,
    so columns that are resampled apart are paired all the same.
    """
    if len(np.unique(users)) < LEAST_USERS:
        return None
    ends = np.percentile(resampled_means(values, users, seed), _ENDS, axis=0)
    return [(float(low), float(high)) for low, high in ends.T]


def resampled_means(values: Values, users: Users, seed: int) -> Values:
    """Return the means of the columns in each resample of users, float64[RESAMPLES, columns]."""
    _, owner = np.unique(users, return_inverse=True)
    sums = np.zeros((owner.max() + 1, values.shape[1] + 1))
    np.add.at(sums, owner, np.column_stack([values, np.ones(len(values))]))
    drawn = np.concatenate([times @ sums for times in user_draws(len(sums), seed, RESAMPLES)])
    return np.asarray(drawn[:, :-1] / drawn[:, -1:])


CUTOFFS: Final = (10, 50)
Metrics = dict[str, float]


@dataclass(frozen=True, eq=False)
class Ranking:
    """What is ranked for each held-out record.

    ``excluded`` bool[n, items]: training items of the user, and items without a vector. ``liked`` bool[n, items]:
    the user's validation positives, which a hard negative should not be; they are only counted.
    """

    records: Records
    excluded: npt.NDArray[np.bool_]
    liked: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        records: Records,
        there: npt.NDArray[np.bool_],
        train: Mapping[int, Sequence[int]],
        validation: Mapping[int, Sequence[int]],
    ) -> Ranking:
        """Build the masks from the items of each user."""
        users = records.rows["user"].to_pylist()
        excluded, liked = (_mask(users, items, len(there)) for items in (train, validation))
        return cls(records, excluded | ~there[None, :], liked)


def _mask(users: Sequence[int], items: Mapping[int, Sequence[int]], n_items: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((len(users), n_items), dtype=bool)
    for row, user in enumerate(users):
        mask[row, list(items.get(user, ()))] = True
    return mask


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of one predictor, and the reciprocal rank of each record's target, float64[n]."""

    metrics: Metrics
    reciprocal: Values


def measure(vectors: Matrix, ranking: Ranking) -> Measured:
    """Rank the catalogue by cosine to predicted vectors float32[n, k], and measure how near they are."""
    predicted, catalogue, rows = unit(vectors), unit(ranking.records.catalogue), ranking.records.rows
    own = {name: (predicted * catalogue[rows[name].to_numpy()]).sum(1) for name in ("target", "item")}
    near = {"cos_target": float(own["target"].mean()), "cos_positive": float(own["item"].mean())}
    found = measure_scores(predicted @ catalogue.T, ranking)
    return replace(found, metrics=found.metrics | near)


def measure_scores(scores: Matrix, ranking: Ranking) -> Measured:
    """Rank by scores float32[n, items]; equal scores: the lower item index comes first.

    ``false_negative_rate``: the share of the first ten that are validation positives of the user.
    """
    allowed = np.where(ranking.excluded, -np.inf, scores)
    target = ranking.records.rows["target"].to_numpy()
    own = allowed[np.arange(len(target)), target][:, None]
    earlier = np.arange(scores.shape[1])[None, :] < target[:, None]
    ranks = 1 + (allowed > own).sum(1) + ((allowed == own) & earlier).sum(1)
    first = np.argsort(-allowed, axis=1, kind="stable")[:, : CUTOFFS[0]]
    liked = np.take_along_axis(ranking.liked & ~ranking.excluded, first, axis=1)
    found = {f"recall@{k}": float((ranks <= k).mean()) for k in CUTOFFS}
    metrics = {"mrr": float((1 / ranks).mean()), **found, "false_negative_rate": float(liked.mean())}
    return Measured(metrics, 1 / ranks)


def compared(measured: Iterable[tuple[str, Measured]], ranking: Ranking, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a row of ``finetune_eval`` for each method; the others are compared with the first.

    Among its metrics are ``mrr_low`` and ``mrr_high``, the ends of the 95% interval of its mean reciprocal rank;
    ``difference``, that of the first method minus its own, which the first itself has not; and ``difference_low`` and
    ``difference_high``. The intervals are by user, and absent where users are too few.
    """
    users = ranking.records.rows["user"].to_numpy()
    first: Values | None = None
    for name, found in measured:
        columns = {"mrr": found.reciprocal} | ({} if first is None else {"difference": first - found.reciprocal})
        first = found.reciprocal if first is None else first
        metrics = found.metrics | {column: float(values.mean()) for column, values in columns.items()}
        if around := intervals(np.column_stack(list(columns.values())), users, seed):
            for column, (low, high) in zip(columns, around, strict=True):
                metrics |= {f"{column}_low": low, f"{column}_high": high}
        yield {"method": name, "pairs": len(users), "metrics": list(metrics.items())}
