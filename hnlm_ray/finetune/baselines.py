"""What a fine-tuned LLM must beat: predictors of hard negatives that need less; and the rule that made the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from hnlm_ray.config import CFTeacherConfig
from hnlm_ray.finetune.batches import Records
from hnlm_ray.finetune.loss import contrastive_loss
from hnlm_ray.finetune.ridge import fit_ridge, unit
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Matrix, Vectors

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
