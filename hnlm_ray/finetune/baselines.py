"""What a fine-tuned LLM must beat: predictors of hard negatives that need less; and the rule that made the targets.

Ridge regression in closed form is one of them, and the start of the head, centred on the untuned LLM's states: linear
probing, then fine-tuning (Kumar et al., ICLR 2022), for a head that already fits keeps the first steps from distorting
what the LLM knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import nn

from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.finetune.batches import Batch, Records, contrastive_loss
from hnlm_ray.finetune.model import HardNegativeModel, Head
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Matrix, Vectors

_PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def unit(rows: Matrix) -> Matrix:
    """Return rows in unit length; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Predicts ``(features - centre) / spread @ weights + mean``; weights float32[d, k]."""

    centre: Matrix
    spread: Matrix
    weights: Matrix
    mean: Matrix

    def predict(self, features: Matrix) -> Matrix:
        """Predict float32[n, k] from float32[n, d]."""
        return np.asarray((features - self.centre) / self.spread @ self.weights + self.mean, dtype=np.float32)


def fit_ridge(features: Matrix, targets: Matrix) -> Ridge:
    """Fit targets float32[n, k] to features float32[n, d], standardised.

    Of a few penalties (0.03 .. 30 times the records) the one with the least leave-one-out error is taken, which
    the singular value decomposition gives for all records at once.
    """
    centre, spread, mean = features.mean(0), np.maximum(features.std(0), 1e-6), targets.mean(0)
    left, singular, right = np.linalg.svd(((features - centre) / spread).astype(np.float64), full_matrices=False)
    wanted = (targets - mean).astype(np.float64)
    projected = left.T @ wanted

    def error(penalty: float) -> float:
        shrink = singular**2 / (singular**2 + penalty)
        residual = wanted - left @ (shrink[:, None] * projected)
        leverage = (left**2 * shrink).sum(1) + 1 / len(left)
        return float(((residual / np.maximum(1 - leverage, 1e-3)[:, None]) ** 2).mean())

    best = min((penalty * len(left) for penalty in _PENALTIES), key=error)
    weights = right.T @ ((singular / (singular**2 + best))[:, None] * projected)
    return Ridge(centre, spread, weights.astype(np.float32), mean)


_MLP_EPOCHS, _MLP_BATCH, _MLP_LR = 60, 32, 1e-3


def targets_of(records: Records) -> Matrix:
    """Return the unit vectors of the records' targets, float32[n, k]."""
    return unit(records.catalogue[records.rows["target"].to_numpy()])


def cf_mlp(train: Records, asked: Records, temperature: float, seed: int) -> Matrix:
    """Predict from the CF vectors of user and item alone, by an MLP trained with the same loss and records."""
    torch.manual_seed(seed)
    k = train.users.shape[1]
    model = nn.Sequential(nn.Linear(2 * k, 4 * k), nn.GELU(), nn.Linear(4 * k, k))
    optimiser = torch.optim.Adam(model.parameters(), lr=_MLP_LR)
    draw = np.random.default_rng(seed)
    for _ in range(_MLP_EPOCHS):
        order = draw.permutation(len(train))
        for start in range(0, len(order), _MLP_BATCH):
            _mlp_step(model, optimiser, train, order[start : start + _MLP_BATCH].tolist(), temperature)
    with torch.no_grad():
        predicted: Matrix = model(_both(asked, range(len(asked)))).numpy()
    return predicted


def _mlp_step(
    model: nn.Module, optimiser: torch.optim.Optimizer, train: Records, chosen: Sequence[int], temperature: float
) -> None:
    batch = train.batch(chosen)
    optimiser.zero_grad()
    loss = contrastive_loss(model(_both(train, chosen)), batch, temperature)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
    optimiser.step()


def cf_ridge(train: Records, asked: Records) -> Matrix:
    """Predict from the CF vectors of user and item alone, by ridge regression to the targets."""
    features, wanted = (_both(records, range(len(records))).numpy() for records in (train, asked))
    return fit_ridge(features, targets_of(train)).predict(wanted)


def _both(records: Records, chosen: Sequence[int]) -> torch.Tensor:
    index = np.asarray(chosen)
    scale = records.users.shape[1] ** 0.5
    return torch.from_numpy(np.concatenate([unit(records.users[index]), unit(records.items[index])], axis=1) * scale)


def user_means(records: Records, histories: Mapping[int, Sequence[int]]) -> Matrix:
    """Predict the mean of the unit vectors of the user's training items."""
    vectors = unit(records.catalogue)
    users = records.rows["user"].to_pylist()
    return np.stack([vectors[list(histories[user])].mean(0) for user in users])


def mining_rule(
    records: Records, histories: Mapping[int, Sequence[int]], items: Vectors, config: CFTeacherConfig
) -> Matrix:
    """Score the catalogue by the rule that made the records' targets, float32[n, items].

    What the rule keeps for a pair is scored by its place, the first highest; all else is 0. The target comes first,
    so this is no prediction but the bound of all predictions.
    """
    users, items_of = records.rows["user"].to_numpy(), records.rows["item"].to_numpy()
    owners, first = np.unique(users, return_index=True)
    asked = [UserPairs(user, histories[user], items_of[users == user].tolist()) for user in owners.tolist()]
    everything = config.model_copy(update={"mined": config.window[1]})
    mined = mine(asked, records.users[first], items, everything)
    kept = {(row["user"], row["item"]): row["negatives"] for row in mined.rows}
    scores = np.zeros((len(records), len(items.there)), np.float32)
    for row, pair in enumerate(zip(users.tolist(), items_of.tolist(), strict=True)):
        scores[row, kept[pair]] = np.arange(len(kept[pair]), 0, -1)
    return scores


_BATCH = 16


@torch.inference_mode()
def computed(compute: Callable[[Batch], torch.Tensor], records: Records) -> Matrix:
    """Compute all records in order of length, so that little is spent on padding; float32[n, ...]."""
    order = sorted(range(len(records)), key=lambda row: len(records.queries[row].ids))
    parts = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    rows = np.concatenate([compute(records.batch(part)).float().cpu().numpy() for part in parts])
    return np.asarray(rows[np.argsort(order)], dtype=np.float32)


def states_of(model: HardNegativeModel, records: Records, device: torch.device | str = "cpu") -> Matrix:
    """Return the pooled states of records, float32[n, hidden]."""

    def compute(batch: Batch) -> torch.Tensor:
        return model.states(batch.queries, batch.users.to(device), batch.items.to(device))

    return computed(compute, records)


def probe(states: Matrix, records: Records) -> Ridge:
    """Fit the linear probe: pooled states to the unit vectors of the records' targets."""
    return fit_ridge(states, targets_of(records))


@torch.no_grad()
def start_head(head: Head, fitted: Ridge, how: str) -> None:
    """Centre the head; with ``how`` 'ridge' also make it the probe."""
    centre, spread = torch.from_numpy(fitted.centre), torch.from_numpy(fitted.spread)
    head.standardise(centre, spread)  # copied to the head's device
    if how == "ridge":
        head.linear.weight.copy_(torch.from_numpy(fitted.weights.T))
        head.linear.bias.copy_(torch.from_numpy(fitted.mean))
