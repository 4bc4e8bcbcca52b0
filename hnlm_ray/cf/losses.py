"""Ranking losses over rows of embeddings, and the L2 term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

RankingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return the mean of -log sigmoid(s(u, i) - s(u, j)) (Rendle et al., UAI 2009).

    The three are float32[batch, dim]; the result is a scalar. Softplus keeps it finite for any scores.
    """
    return functional.softplus((users * (negatives - positives)).sum(1)).mean()


class _HalfSquaredNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        ctx.save_for_backward(rows)
        flat = rows.reshape(-1)
        return torch.dot(flat, flat) / 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 autograd's own
        (rows,) = ctx.saved_tensors
        gradient: Tensor = gradients[0] * rows
        return gradient


def l2(*rows: Tensor) -> Tensor:
    """Return half the squared norm of the rows over the batch size, as LightGCN does on layer-0 embeddings.

    The gradient is closed: one pass over each set of rows instead of autograd's three.
    """
    norms: list[Tensor] = [_HalfSquaredNorm.apply(row) for row in rows]  # type: ignore[no-untyped-call] # torch
    return torch.stack(norms).sum() / len(rows[0])


LOSSES: Final[dict[str, RankingLoss]] = {"bpr": bpr}
