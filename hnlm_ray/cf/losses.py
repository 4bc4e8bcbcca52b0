"""Ranking losses over rows of embeddings, and the L2 term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import Tensor
from torch.nn import functional

RankingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return the mean of -log sigmoid(s(u, i) - s(u, j)) (Rendle et al., UAI 2009).

    The three are float32[batch, dim]; the result is a scalar. Softplus keeps it finite for any scores.
    """
    return functional.softplus((users * (negatives - positives)).sum(1)).mean()


def l2(*rows: Tensor) -> Tensor:
    """Return half the squared norm of the rows over the batch size, as LightGCN does on layer-0 embeddings."""
    total = rows[0].square().sum()
    for row in rows[1:]:
        total = total + row.square().sum()
    return total / (2 * len(rows[0]))


LOSSES: Final[dict[str, RankingLoss]] = {"bpr": bpr}
