"""Losses of pairs over rows of embeddings: ranking losses and the L2 term, the two terms of semantic negatives.

And InfoNCE between two views of the nodes of a batch, users and items apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.losses.catalogue import Block, catalogue_loss, softmax_block
from hnlm_ray.config import CFConfig


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


def contrasted_nodes(batch: Batch, users: int) -> tuple[Tensor, int]:
    """Return the batch's nodes, each once, int64[n], its users first, and how many are users."""
    of_users, of_items = torch.unique(batch.users), torch.unique(batch.items)
    return torch.cat([of_users, users + of_items]), len(of_users)


def contrast(first: Tensor, second: Tensor, users: int, temperature: float) -> Tensor:
    """Return InfoNCE of the first ``users`` rows plus that of the others, a scalar; the views float32[n, d]."""
    of_users = info_nce(first[:users], second[:users], temperature)
    return of_users + info_nce(first[users:], second[users:], temperature)


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the mean over n of -log(exp(cos(a_n, b_n)/t) / sum_m exp(cos(a_n, b_m)/t)), a scalar.

    a and b are ``first`` and ``second``, float32[n, d]. This is an exact softmax over a catalogue of n, whose
    gradient is written out block by block. Source: Wu et al., SGL (SIGIR 2021), equation 10, a mean where they sum.
    """
    n = len(first)
    own = torch.arange(n, device=first.device)
    pairs = Block(own, own, own, first.new_ones(n, 1), pairs=n, users=n)
    rows, others = functional.normalize(first, dim=1), functional.normalize(second, dim=1)
    return catalogue_loss(rows, others, pairs, softmax_block, temperature=temperature)


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
