"""Mining hard negatives in the teacher's space: plain arrays in, plain arrays out.

For a training pair (u, i) all items but the training items of u are ranked by s(u, j) = <u, j>. Of a window of
ranks (the very top holds positives nobody has seen yet) the candidates that score too near the positive are
refused as likely false negatives: s(u, i) - s(u, j) < margin * std_j s(u, j) (positive-aware mining, NV-Retriever,
arXiv 2407.15831, in margin form). What is left is ordered by similarity to i: "very similar to what the user
likes, yet not of interest to them" (HNLMRec, arXiv 2504.04726).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import top_k
from hnlm_ray.cf.data.positives import positions
from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.teacher.vectors import Matrix, Vectors

SCORES_AT_ONCE: Final = 1 << 23
MINING_COUNTS: Final = (
    "pairs",
    "pairs_without_vector",
    "pairs_without_negative",
    "negatives",
    "candidates",
    "refused",
    "rank_sum",
)
MinedRow = dict[str, Any]


@dataclass(frozen=True)
class UserPairs:
    """A user's training items, and those of them for which hard negatives are mined."""

    user: int
    train: Sequence[int]
    pairs: Sequence[int]


@dataclass(frozen=True)
class Mined:
    """Rows of ``mined_negatives``, and what was counted on the way."""

    rows: list[MinedRow]
    counts: Counter[str]


def mine(users: Sequence[UserPairs], of_users: Matrix, items: Vectors, config: CFTeacherConfig) -> Mined:
    """Mine for users who have a vector.

    Parameters
    ----------
    users
        In any order; ``of_users`` float32[len(users), k] holds their vectors, row by row.
    items
        The vectors of all items; one without a vector is never mined, and its pairs get no row.

    Raises
    ------
    InputError
        Scores overflow float32.
    """
    catalogue = np.flatnonzero(items.there)
    matrix = items.matrix if len(catalogue) == len(items.there) else items.matrix[catalogue]
    rows: list[MinedRow] = []
    counts: Counter[str] = Counter(dict.fromkeys(MINING_COUNTS, 0))
    size = max(1, SCORES_AT_ONCE // max(len(catalogue), 1))
    for start in range(0, len(users), size):
        block = slice(start, start + size)
        rankings = _rank(users[block], of_users[block], matrix, catalogue, config)
        for user, ranking in zip(users[block], rankings, strict=True):
            mined = _mine_user(user.user, ranking, items.matrix, config)
            counts["pairs"] += len(user.pairs)
            counts["pairs_without_vector"] += len(user.pairs) - len(mined)
            for row in mined:
                _count(row, len(ranking.candidates), counts)
            rows += mined
    rows.sort(key=lambda row: (row["user"], row["item"]))
    return Mined(rows, counts)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """A user's candidates: items int64[c] at ranks window[0].., their scores; scores of pairs; the spread."""

    candidates: npt.NDArray[np.int64]
    scores: Matrix
    of_pairs: dict[int, float]
    std: float


def _rank(
    users: Sequence[UserPairs],
    of_users: Matrix,
    matrix: Matrix,
    catalogue: npt.NDArray[np.int64],
    config: CFTeacherConfig,
) -> Iterator[_Ranking]:
    """Rank a block of users; columns of ``scores`` are places in ``catalogue``, which rises: ties by item index."""
    with np.errstate(over="ignore", invalid="ignore"):
        scores = of_users @ matrix.T
    if not np.isfinite(scores).all():
        raise InputError("scores of the teacher's vectors overflow float32: scale your own embeddings down")
    spread = scores.std(axis=1, dtype=np.float64)
    positives = [_scores_of(user.pairs, row, catalogue) for user, row in zip(users, scores, strict=True)]
    for row, user in zip(scores, users, strict=True):
        row[_places(user.train, catalogue)] = -np.inf
    values, columns = top_k(torch.from_numpy(scores), min(config.window[1], len(catalogue)))
    for values_of, columns_of, of_pairs, std in zip(values.numpy(), columns.numpy(), positives, spread, strict=True):
        inside = slice(config.window[0] - 1, int(np.isfinite(values_of).sum()))
        yield _Ranking(catalogue[columns_of[inside]], values_of[inside], of_pairs, float(std))


def _places(items: Sequence[int], catalogue: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where those of the items that are in the catalogue stand in it."""
    found = positions(catalogue, np.asarray(items, np.int64))
    return found[found >= 0]


def _scores_of(pairs: Sequence[int], scores: Matrix, catalogue: npt.NDArray[np.int64]) -> dict[int, float]:
    places = _places(pairs, catalogue)
    return dict(zip(catalogue[places].tolist(), scores[places].tolist(), strict=True))


def _mine_user(user: int, ranking: _Ranking, matrix: Matrix, config: CFTeacherConfig) -> list[MinedRow]:
    """Mine for each of a user's pairs whose item has a vector."""
    candidates = _unit(matrix[ranking.candidates])
    return [_mine_pair(user, item, ranking, _cosines(candidates, matrix[[item]]), config) for item in ranking.of_pairs]


def _mine_pair(
    user: int, item: int, ranking: _Ranking, similarity: npt.NDArray[np.float64], config: CFTeacherConfig
) -> MinedRow:
    """Refuse, order by similarity to the positive, keep the first; ties by lower item index."""
    lead = ranking.of_pairs[item] - ranking.scores.astype(np.float64)
    kept = np.flatnonzero((lead >= config.guard_margin * ranking.std) & (ranking.std > 0))
    order = np.lexsort((ranking.candidates[kept], -similarity[kept]))
    chosen = kept[order[: config.mined]]
    return {
        "user": user,
        "item": item,
        "negatives": ranking.candidates[chosen].tolist(),
        "ranks": (chosen + config.window[0]).tolist(),
        "leads": (lead[chosen] / (ranking.std or 1)).tolist(),
        "guarded": len(lead) - len(kept),
    }


def _cosines(candidates: npt.NDArray[np.float64], vector: Matrix) -> npt.NDArray[np.float64]:
    """Return cosines with one vector float32[1, k], to six digits: parallel vectors tie, whatever the rounding."""
    return np.asarray(np.round((candidates * _unit(vector)).sum(axis=1), 6))


def _count(row: MinedRow, candidates: int, counts: Counter[str]) -> None:
    counts["candidates"] += candidates
    counts["refused"] += row["guarded"]
    counts["negatives"] += len(row["negatives"])
    counts["rank_sum"] += sum(row["ranks"])
    counts["pairs_without_negative"] += not row["negatives"]


def _unit(rows: Matrix) -> npt.NDArray[np.float64]:
    """Return rows in unit length, float64[n, k]; rows of zeros stay."""
    wide = rows.astype(np.float64)
    lengths = np.sqrt((wide**2).sum(axis=1, keepdims=True))
    return np.asarray(wide / np.where(lengths > 0, lengths, 1))


def shares(counts: Counter[str]) -> dict[str, int | float | str | None]:
    """Return the counts with the refused share and the mean rank instead of their sums."""
    told: dict[str, int | float | str | None] = {
        name: counts[name] for name in ("pairs", "pairs_without_vector", "pairs_without_negative", "negatives")
    }
    told["refused_share"] = round(counts["refused"] / counts["candidates"], 4) if counts["candidates"] else None
    told["mean_rank"] = round(counts["rank_sum"] / counts["negatives"], 2) if counts["negatives"] else None
    return told
