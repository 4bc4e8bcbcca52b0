"""Softmax over a positive and some negatives: drawn for each pair, or shared by a batch."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

CELLS_PER_BLOCK: Final = 2**22


class _SampledSoftmax(torch.autograd.Function):
    """Blocks of pairs, so that the rows of all negatives (pairs x n x dim) never exist at once."""

    @staticmethod
    def forward(  # noqa: PLR0917 autograd passes them by position
        ctx: Any,  # noqa: ANN401 autograd's own
        users: Tensor,
        positives: Tensor,
        items: Tensor,
        negatives: Tensor,
        log_q: tuple[Tensor, Tensor] | None,
        temperature: float,
    ) -> Tensor:
        pairs, n = negatives.shape
        of_users, of_positives, of_items = torch.empty_like(users), torch.empty_like(users), torch.zeros_like(items)
        loss = users.new_zeros(())
        for block in torch.split(torch.arange(pairs), max(1, CELLS_PER_BLOCK // (n * users.shape[1]))):
            place = slice(int(block[0]), int(block[-1]) + 1)
            user, drawn = users[place], negatives[place].reshape(-1)
            rows = items.index_select(0, drawn).view(-1, n, users.shape[1])
            far = torch.bmm(rows, user.unsqueeze(2)).squeeze(2) / temperature
            near = (user * positives[place]).sum(1, keepdim=True) / temperature
            if log_q is not None:
                near, far = near - log_q[0][place, None], far - log_q[1][place]
            logits = torch.cat([near, far], 1)
            total = logits.logsumexp(1, keepdim=True)
            loss += (total - near).sum() / pairs
            odds = (logits - total).exp_().mul_(1 / (pairs * temperature))
            odds[:, 0] -= 1 / (pairs * temperature)
            of_positives[place] = odds[:, :1] * user
            of_users[place] = odds[:, :1] * positives[place] + torch.bmm(odds[:, None, 1:], rows).squeeze(1)
            spread = (odds[:, 1:, None] * user[:, None, :]).reshape(len(drawn), -1)
            of_items.scatter_add_(0, drawn[:, None].expand_as(spread), spread)
        ctx.save_for_backward(of_users, of_positives, of_items)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 autograd's own
        return *(gradients[0] * saved for saved in ctx.saved_tensors), None, None, None


def sampled_softmax(
    users: Tensor,
    positives: Tensor,
    items: Tensor,
    negatives: Tensor,
    *,
    log_q: tuple[Tensor, Tensor] | None,
    temperature: float,
) -> Tensor:
    """Return the mean of -log softmax of each pair's positive against its own negatives, s = <u, .> / temperature.

    Parameters
    ----------
    users, positives
        float32[batch, dim].
    items
        float32[items, dim], all of them.
    negatives
        int64[batch, n].
    log_q
        Log of the odds to be drawn, up to a constant, of the positives (float32[batch]) and of the negatives
        (float32[batch, n]); each score is corrected by it (Yi et al., RecSys 2019). None: no correction.
    """
    out: Tensor = _SampledSoftmax.apply(users, positives, items, negatives, log_q, temperature)  # type: ignore[no-untyped-call] # torch
    return out


def shared_softmax(users: Tensor, items: Tensor, log_q: Tensor | None, allowed: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log softmax of each pair's positive against the other positives of the batch.

    Parameters
    ----------
    users, items
        float32[batch, dim], the pairs; the positive of row b is item b.
    log_q
        Log of each item's odds to be in the batch, float32[batch], as in :func:`sampled_softmax`.
    allowed
        bool[batch, batch]: which item may be a negative of which pair; the diagonal is not looked at.
    """
    logits = users @ items.T / temperature
    logits = logits if log_q is None else logits - log_q
    own = torch.arange(len(users), device=users.device)
    barred = ~allowed
    barred[own, own] = False
    return functional.cross_entropy(logits.masked_fill(barred, -torch.inf), own)
