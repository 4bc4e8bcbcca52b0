"""What ranks: scores of the whole catalogue, a block of users at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from hnlm_ray.base.errors import DivergedError, InputError

ALIGNED: Final = 32
"""Scores, of 4 bytes each: two cache lines."""


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


def empty_scores(rows: int, items: int, like: Tensor) -> Tensor:
    """Return [rows, items] to be written, of the type and device of ``like``; rows start at whole :data:`ALIGNED`.

    A product into rows of an odd length takes twice as long: they start anywhere in a cache line.
    """
    return like.new_empty(rows, -(-items // ALIGNED) * ALIGNED)[:, :items]


@dataclass(frozen=True, eq=False)
class EmbeddingScores:
    """Dot products of ``user_embeddings`` float32[users, d] and ``item_embeddings`` float32[items, d].

    Raw scores, never squashed: a float32 sigmoid saturates, and the ties would change a ranking.
    """

    user_embeddings: Tensor
    item_embeddings: Tensor

    def __post_init__(self) -> None:
        """Raise InputError where the two are no tables of one width."""
        users, items = list(self.user_embeddings.shape), list(self.item_embeddings.shape)
        if len(users) != 2 or len(items) != 2 or users[1] != items[1]:
            raise InputError(f"embeddings must be [users, d] and [items, d], got {users} and {items}; take one model's")

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
        scores = empty_scores(len(users), self.items, self.item_embeddings)
        return torch.mm(self.user_embeddings.index_select(0, users), self.item_embeddings.T, out=scores)

    def check(self) -> None:
        """Raise DivergedError where an embedding is not finite, or so large that a score may not be."""
        largest = [_largest(embeddings) for embeddings in (self.user_embeddings, self.item_embeddings)]
        if not all(math.isfinite(value) for value in largest):
            raise DivergedError("the model's embeddings are not finite, so nothing can be ranked; lower cf.lr")
        if math.prod(largest) * self.item_embeddings.shape[1] > torch.finfo(torch.float32).max:
            raise DivergedError(
                f"the model's scores are not finite, its embeddings reach {max(largest):.0e}, so nothing can be "
                "ranked; lower cf.lr"
            )


def _largest(values: Tensor) -> float:
    """Return the largest absolute value; nan where one is nan."""
    if values.numel() == 0:
        return 0.0
    low, high = torch.aminmax(values)
    return max(-float(low), float(high))
