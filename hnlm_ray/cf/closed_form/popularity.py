"""Popularity as a model: every user's scores are the items' training positives."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.scoring import EmbeddingScores
from hnlm_ray.config import CFConfig

_SMOOTHING: Final = 1.0
"""Added to each count in the loss alone, so that it is finite where an item has no positive."""


class Popularity(Solved):
    """The share of the training positives that each item has; one epoch counts them.

    The loss is the mean negative log likelihood of the positives under these shares, the best that any model which
    knows no user can have (but for one count that each item gets beside its own).
    """

    remedy = "give more data"

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(data, config, seed, device)
        self.tensors["popularity"] = torch.zeros(data.items, device=self.device)

    @property
    def finished(self) -> bool:
        """Whether they are counted."""
        return self.epoch > 0

    def solve(self) -> float:
        """Count; return the sum of the positives' negative log likelihoods."""
        counts = self.data.train.popularity(self.data.items).astype(np.float64)
        shares = (counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts))
        self.tensors["popularity"] = torch.from_numpy(counts / counts.sum()).float().to(self.device)
        return float(-(counts * np.log(shares)).sum())

    def scorer(self) -> EmbeddingScores:
        """Return the scorer: a vector of length 1 each, which is 1 for every user."""
        items = self.tensors["popularity"][:, None]
        return EmbeddingScores(torch.ones(self.data.users, 1, device=self.device), items)
