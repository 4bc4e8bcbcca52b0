"""What a fine-tuned LLM must beat: predictors of hard negatives that need less, fitted on the same records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from hnlm_ray.finetune.batches import Records
from hnlm_ray.finetune.loss import contrastive_loss
from hnlm_ray.finetune.ridge import unit
from hnlm_ray.teacher.vectors import Matrix

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
    loss = contrastive_loss(model(_both(train, chosen)), batch, temperature) / batch.weights.sum()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
    optimiser.step()


def _both(records: Records, chosen: Sequence[int]) -> torch.Tensor:
    index = np.asarray(chosen)
    scale = records.users.shape[1] ** 0.5
    return torch.from_numpy(np.concatenate([unit(records.users[index]), unit(records.items[index])], axis=1) * scale)


def user_means(records: Records, histories: Mapping[int, Sequence[int]]) -> Matrix:
    """Predict the mean of the unit vectors of the user's training items."""
    vectors = unit(records.catalogue)
    users = records.rows["user"].to_pylist()
    return np.stack([vectors[list(histories[user])].mean(0) for user in users])
