"""What ranks: scores of the whole catalogue, a block of users at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hnlm_ray.cf.errors import DivergedError


class Scorer(Protocol):
    """Scores every item for some users; a higher score ranks first."""

    @property
    def items(self) -> int:
        """How many items there are."""
        ...

    @property
    def device(self) -> torch.device:
        """Where scores are computed."""
        ...

    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n] (on ``device``); the caller may overwrite it."""
        ...

    def check(self) -> None:
        """Raise DivergedError where the scores can't be finite."""
        ...


@dataclass(frozen=True, eq=False)
class EmbeddingScores:
    """Dot products of ``user_embeddings`` float32[users, d] and ``item_embeddings`` float32[items, d].

    Raw scores, never squashed: a float32 sigmoid saturates, and the ties would change a ranking.
    """

    user_embeddings: Tensor
    item_embeddings: Tensor

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.item_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self.item_embeddings.device

    @torch.no_grad()
    def scores(self, users: Tensor) -> Tensor:
        """Return float32[n, items] of ``users`` int64[n]."""
        return self.user_embeddings.index_select(0, users) @ self.item_embeddings.T

    def check(self) -> None:
        """Raise DivergedError where an embedding is not finite."""
        for embeddings in (self.user_embeddings, self.item_embeddings):
            if not bool(torch.isfinite(embeddings).all()):
                raise DivergedError("the model's embeddings are not finite, so nothing can be ranked; lower cf.lr")
