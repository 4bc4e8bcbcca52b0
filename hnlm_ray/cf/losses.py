"""Ranking losses over rows of embeddings, the L2 term, and the two terms of semantic negatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.config import CFConfig

RankingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return the mean of -log sigmoid(s(u, i) - s(u, j)) (Rendle et al., UAI 2009).

    The three are float32[batch, dim]; the result is a scalar. Softplus keeps it finite for any scores.
    """
    return functional.softplus((users * (negatives - positives)).sum(1)).mean()


def hinge(users: Tensor, positives: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """Return the mean of relu(margin - s(u, i) + s(u, j)), float32[batch, dim] each (the authors' code: margin 0.3)."""
    return functional.relu(margin + (users * (negatives - positives)).sum(1)).mean()


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


def contrastive(users: Tensor, positives: Tensor, hard: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log(exp(cos(u,i)/t) / (exp(cos(u,i)/t) + exp(cos(u,e_hard)/t))) (arXiv 2504.04726).

    The three are float32[n, dim]; 0 where n is 0.
    """
    if len(users) == 0:
        return users.new_zeros(())
    lead = functional.cosine_similarity(users, hard) - functional.cosine_similarity(users, positives)
    return functional.softplus(lead / temperature).mean()


def alignment(adapted: Tensor, items: Tensor) -> Tensor:
    """Return the mean of 1 - cos(a, e) + log(|a| / |e|)^2, float32[n, dim] each.

    The direction and the length of an item are matched apart: a squared distance would shorten what it can't
    predict, and a short negative is an easy one. Lengths below 1e-12 count as 1e-12.
    """
    ratio = adapted.norm(dim=1).clamp(min=1e-12).log() - items.norm(dim=1).clamp(min=1e-12).log()
    apart: Tensor = 1 - functional.cosine_similarity(adapted, items) + ratio.square()
    return apart.mean()


LOSSES: Final[dict[str, Callable[[CFConfig], RankingLoss]]] = {
    "bpr": lambda _: bpr,
    "hinge": lambda config: partial(hinge, margin=config.margin),
}
