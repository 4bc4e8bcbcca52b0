"""Late fusion: the scores of one model, and those of a second on top, at a weight chosen on validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.base.errors import DivergedError, InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives, contains
from hnlm_ray.cf.evaluate.metrics import check_metric, ranking_metrics
from hnlm_ray.cf.evaluate.ranking import block_users
from hnlm_ray.cf.kernels.rows import standardised
from hnlm_ray.cf.kernels.top_k import top_k
from hnlm_ray.cf.scoring import Scorer

WEIGHTS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""What is tried. 0 is the first model alone; at 10 the second decides nearly alone."""


@dataclass(frozen=True)
class Fusion:
    """The weight chosen, and the validation means at it."""

    weight: float
    validation: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class FusedScores:
    """s1 + weight * std(s1) * z(s2) for each user, which ranks as z(s1) + weight * z(s2) does.

    z and std are over the whole catalogue, before what a user has seen is masked. Scores stay in the unit of the first
    model, and at weight 0 they are its own. Where the first scores all items alike the second ranks, and the other way
    round. An item that one of the two gives -inf keeps it, and is left out of z and std.
    """

    first: Scorer
    second: Scorer
    weight: float

    @property
    def items(self) -> int:
        """How many items there are."""
        return self.first.items

    @property
    def device(self) -> torch.device:
        """Where the first model's scores are computed, and the sum."""
        return self.first.device

    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n]; DivergedError where a score is NaN or inf."""
        if self.weight == 0:
            return _checked(self.first.scores(users))
        base, extra = _terms(self.first, self.second, users)
        return base.add_(extra, alpha=self.weight)

    def check(self) -> None:
        """Raise DivergedError where a score can't be finite."""
        self.first.check()
        self.second.check()


def fuse(first: Scorer, second: Scorer, weight: float) -> FusedScores:
    """Return a scorer that adds the second model's scores to the first's; see :class:`FusedScores`.

    Raises
    ------
    InputError
        The two rank other catalogues, or the weight is not finite and 0 or above.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"a fusion's weight must be finite and 0 or above, got {weight}")
    _check_catalogues(first, second)
    return FusedScores(first, second, weight)


def choose_fusion(
    first: Scorer, second: Scorer, data: CFData, *, metric: str = "ndcg@20", cutoffs: Sequence[int] = (10, 20)
) -> Fusion:
    """Return the weight of :func:`fuse` with the best validation mean of ``metric``; of equals the lowest.

    Every weight of :data:`WEIGHTS` is ranked in one pass: both models score a block of users once. Only train and
    validation are read.

    Raises
    ------
    InputError
        There is no validation, ``metric`` isn't measured at ``cutoffs``, or the two rank other catalogues.
    DivergedError
        A score is NaN or inf.
    """
    _check_catalogues(first, second)
    check_metric(metric, cutoffs)
    first.check()
    second.check()
    users = data.held_out("validation").active_users()
    totals: list[dict[str, float]] = [{} for _ in WEIGHTS]
    step = block_users(first.items, first.device.type)
    for start in range(0, len(users), step):
        block = users[start : start + step]
        terms = _terms(first, second, torch.from_numpy(block.astype(np.int64)).to(first.device))
        _add_block(totals, terms, block, data, cutoffs)
    best = max(range(len(WEIGHTS)), key=lambda place: totals[place][metric])
    return Fusion(WEIGHTS[best], {name: total / len(users) for name, total in totals[best].items()})


def _add_block(
    totals: list[dict[str, float]],
    terms: tuple[Tensor, Tensor],
    users: NDArray[np.int32],
    data: CFData,
    cutoffs: Sequence[int],
) -> None:
    """Add the metrics of some users to the totals of each weight."""
    held_out, (base, extra) = data.held_out("validation"), terms
    for seen in data.seen_before("validation"):
        row, item = seen.of(users)
        base[
            torch.from_numpy(row).to(base.device), torch.from_numpy(item.astype(np.int64)).to(base.device)
        ] = -torch.inf
    for total, weight in zip(totals, WEIGHTS, strict=True):
        scores = base.add(extra, alpha=weight) if weight else base
        hits = _hits(scores, users, held_out, max(cutoffs))
        for name, values in ranking_metrics(hits, held_out.degree[users], cutoffs).items():
            total[name] = total.get(name, 0.0) + float(values.sum(dtype=np.float64))


def _hits(scores: Tensor, users: NDArray[np.int32], held_out: Positives, k: int) -> NDArray[np.bool_]:
    # A masked item is a training positive, so it is never one that is held out.
    _, columns = top_k(scores, min(k, scores.shape[1]))
    # Keys of the block alone: those of all users, for each block, would take time in the square of the users.
    row, item = held_out.of(users)
    keys = np.arange(len(users))[:, None] * scores.shape[1] + columns.cpu().numpy()
    hits = np.zeros((len(users), k), np.bool_)
    hits[:, : keys.shape[1]] = contains(row * scores.shape[1] + item, keys)
    return hits


def _terms(first: Scorer, second: Scorer, users: Tensor) -> tuple[Tensor, Tensor]:
    """Return s1 and std(s1) * z(s2), float32[n, items] each; 0 and z(s2) where the first scores all items alike."""
    base = _checked(first.scores(users))
    other = _checked(second.scores(users.to(second.device))).to(base.device)
    masked = torch.isneginf(base) | torch.isneginf(other)
    filled = _with_mean(base, masked)
    # Means in the place of what is masked lower both deviations by one factor, which their quotient loses.
    extra = standardised(_with_mean(other, masked))
    std = (filled - filled.mean(1, keepdim=True)).square().mean(1, keepdim=True).sqrt()
    # Rounding leaves a constant row a small deviation, and a large constant would drown the second's differences.
    highest, lowest = base.masked_fill(masked, -torch.inf).amax(1), base.masked_fill(masked, torch.inf).amin(1)
    alike = (highest == lowest).unsqueeze(1)
    extra = _checked(extra * torch.where(alike, 1.0, std)).masked_fill_(torch.isneginf(other), -torch.inf)
    return torch.where(alike & torch.isfinite(base), 0.0, base), extra


def _with_mean(scores: Tensor, masked: Tensor) -> Tensor:
    """Return scores, with the mean of the others in the place of each that is masked."""
    kept = (~masked).sum(1, keepdim=True).clamp(min=1)
    return torch.where(masked, scores.masked_fill(masked, 0).sum(1, keepdim=True) / kept, scores)


def _checked(scores: Tensor) -> Tensor:
    if not bool((scores < torch.inf).all()):
        raise DivergedError("a model that is fused has scores that are not finite; train it with a lower cf.lr")
    return scores


def _check_catalogues(first: Scorer, second: Scorer) -> None:
    if first.items != second.items:
        raise InputError(f"the models rank {first.items} and {second.items} items; fuse two of the same data")
