"""Ranking losses of pairs over rows of embeddings, and the L2 term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.config import CFConfig


def leads(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return s(u, j) - s(u, i), float32[batch] (or [batch, n]); above 0 where the negative scores higher.

    ``users`` and ``positives`` float32[batch, dim], ``negatives`` float32[batch, dim] or [batch, n, dim].
    """
    if negatives.dim() == 2:
        return (users * (negatives - positives)).sum(1)
    return (negatives @ users.unsqueeze(2)).squeeze(2) - (users * positives).sum(1, keepdim=True)


def bpr(lead: Tensor) -> Tensor:
    """Return -log sigmoid(s(u, i) - s(u, j)) of each lead (Rendle et al., UAI 2009), finite for any scores."""
    return functional.softplus(lead)


def hinge(lead: Tensor, margin: float) -> Tensor:
    """Return relu(margin - s(u, i) + s(u, j)) of each lead (the authors' code: margin 0.3)."""
    return functional.relu(margin + lead)


def mean_over_pairs(losses: Tensor) -> Tensor:
    """Return the sum of float32[batch] or float32[batch, n] over the batch size: n negatives are summed."""
    return losses.sum() / len(losses)


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


@dataclass(frozen=True)
class PairLoss:
    """A loss of leads, and its slope: what the closed-form gradient needs."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


PAIR_LOSSES: Final[dict[str, Callable[[CFConfig], PairLoss]]] = {
    "bpr": lambda _: PairLoss(bpr, torch.sigmoid),
    "hinge": lambda config: PairLoss(
        partial(hinge, margin=config.margin), lambda lead: (lead > -config.margin).to(lead.dtype)
    ),
}
