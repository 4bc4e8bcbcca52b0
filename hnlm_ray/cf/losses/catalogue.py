"""Losses over the whole catalogue, a user's positives at once: exact softmax, distillation, SFCML.

Scores of a block of users with all items are made, turned into their gradient in place, and let go: memory is
that of a block, and neither loss draws a negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.cf.kernels.rows import standardised

CELLS_PER_BLOCK: Final = 2**21


@dataclass(frozen=True)
class Block:
    """Some users of a batch and their training positives.

    ``owners`` int64[n]; ``row`` and ``items`` int64[pairs]: which of the owners has which item; ``counts``
    float32[n, 1], the owner's pairs; ``pairs`` and ``users`` are the sizes of the whole batch.
    """

    owners: Tensor
    row: Tensor
    items: Tensor
    counts: Tensor
    pairs: int
    users: int


BlockLoss = Callable[[Tensor, Block], Tensor]
"""From scores float32[n, items] to the loss's part of these users; the scores become the gradient, in place."""


def softmax_block(scores: Tensor, block: Block) -> Tensor:
    """Return the sum over the positives of -log softmax(s_u)_i, over the pairs of the batch."""
    top = scores.amax(1, keepdim=True)
    positives = scores[block.row, block.items].sum()
    exponents = scores.sub_(top).exp_()
    total = exponents.sum(1, keepdim=True)
    loss = ((total.log() + top) * block.counts).sum() - positives
    gradient = exponents.mul_(block.counts / (total * block.pairs))
    gradient[block.row, block.items] -= 1 / block.pairs
    return loss / block.pairs


def distilling_block(
    scores: Tensor, block: Block, weight: float, temperature: float, teacher: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return :func:`softmax_block` plus weight * KL(softmax(z / t) || softmax(s_u)) for each positive.

    z are the teacher's scores of the user, float32[n, items], standardised over the catalogue: a teacher's
    unit is its own. (Hinton et al., 2015, with soft targets over all items.)
    """
    soft = functional.softmax(standardised(teacher(block.owners)) / temperature, 1)
    log_model = scores - scores.logsumexp(1, keepdim=True)
    divergence = (soft * (soft.clamp(min=1e-30).log() - log_model)).sum(1, keepdim=True)
    share = block.counts * (weight / block.pairs)
    extra = (log_model.exp() - soft) * share
    loss = softmax_block(scores, block) + (divergence * share).sum()
    scores.add_(extra)
    return loss


def sfcml_block(scores: Tensor, block: Block, margin: float) -> Tensor:
    """Return the mean over users of mean over (i, j) of (m + f_i - f_j)^2, f = 2 - 2 cos = |u - i|^2 on unit rows.

    i runs over the user's positives and j over all other items; the mean over the pairs is
    mean a^2 + mean f_j^2 - 2 mean a mean f_j with a = m + f_i, so a user costs O(items) and nothing is drawn.
    Source: Bao et al., Rethinking Collaborative Metric Learning (TPAMI 2022, 2206.11549).
    """
    distances = scores.mul_(-2).add_(2)
    positives = block.counts
    others = distances.shape[1] - positives
    a = distances[block.row, block.items] + margin
    mean_a, square_a = (_by_row(values, block) / positives for values in (a, a * a))
    whole, squares = distances.sum(1, keepdim=True), distances.square().sum(1, keepdim=True)
    raw = a - margin
    mean_j = (whole - _by_row(raw, block)) / others
    square_j = (squares - _by_row(raw * raw, block)) / others
    loss = (square_a + square_j - 2 * mean_a * mean_j).sum() / block.users
    # d/df_j = 2 (f_j - mean a) / others, d/df_i = 2 (a_i - mean f_j) / positives, and df = -2 ds.
    scale = -4 / block.users
    at_positives = (a - mean_j.squeeze(1)[block.row]) / positives.squeeze(1)[block.row] * scale
    gradient = distances.sub_(mean_a).mul_(scale / others)
    gradient[block.row, block.items] = at_positives
    return loss


def _by_row(values: Tensor, block: Block) -> Tensor:
    return values.new_zeros(len(block.owners)).index_add_(0, block.row, values).unsqueeze(1)


def catalogue_gradients(
    users: Tensor,
    items: Tensor,
    batch: Block,
    block_loss: BlockLoss,
    *,
    temperature: float = 1.0,
    cells: int = CELLS_PER_BLOCK,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of a batch of users over all items, a scalar, and its gradients for users and items.

    Parameters
    ----------
    users, items
        float32[n, dim] of ``batch.owners`` and float32[items, dim]; scores are their dot products over ``temperature``.
    batch
        The users and their positives, pairs in the order of users.
    block_loss
        :func:`softmax_block` or another, of a block of users.
    cells
        Scores held at a time.
    """
    of_users, of_items = torch.empty_like(users), torch.zeros_like(items)
    loss, rows = users.new_zeros(()), users / temperature
    for place, block in _blocks(batch, max(1, cells // len(items))):
        gradient = rows[place] @ items.T
        loss += block_loss(gradient, block)
        torch.mm(gradient, items, out=of_users[place])
        of_items.addmm_(gradient.T, rows[place])
    return loss, of_users.div_(temperature), of_items


class _Catalogue(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 autograd's own
        users: Tensor,
        items: Tensor,
        gradients: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    ) -> Tensor:
        loss, *found = gradients(users, items)
        ctx.save_for_backward(*found)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401 autograd's own
        of_users, of_items = ctx.saved_tensors
        return gradients[0] * of_users, gradients[0] * of_items, None


def catalogue_loss(
    users: Tensor,
    items: Tensor,
    batch: Block,
    block_loss: BlockLoss,
    *,
    temperature: float = 1.0,
    cells: int = CELLS_PER_BLOCK,
) -> Tensor:
    """Return the loss of :func:`catalogue_gradients`, a scalar; autograd takes the gradients from there."""
    gradients = partial(catalogue_gradients, batch=batch, block_loss=block_loss, temperature=temperature, cells=cells)
    loss: Tensor = _Catalogue.apply(users, items, gradients)  # type: ignore[no-untyped-call] # torch leaves it so
    return loss


def _blocks(batch: Block, size: int) -> Iterator[tuple[slice, Block]]:
    n = len(batch.owners)
    if n <= size:
        yield slice(0, n), batch
        return
    edges = [*range(0, n, size), n]
    first = torch.searchsorted(batch.row, torch.tensor(edges, device=batch.row.device)).tolist()
    for start, end, low, high in zip(edges[:-1], edges[1:], first[:-1], first[1:], strict=True):
        row, items = batch.row[low:high] - start, batch.items[low:high]
        counts = batch.counts[start:end]
        yield slice(start, end), Block(batch.owners[start:end], row, items, counts, batch.pairs, batch.users)
