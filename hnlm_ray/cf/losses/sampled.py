"""Softmax over a positive and some negatives: drawn for each pair, or shared by a batch."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from hnlm_ray.cf.kernels.sampled_products import score_candidates, sum_candidates, sum_rows

NEGATIVES_PER_BLOCK: Final = 2**20


class _SampledSoftmax(torch.autograd.Function):
    """Gradients written out; blocks of pairs, so that memory stays bounded however many negatives there are."""

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
        loss, scale = users.new_zeros(()), 1 / (pairs * temperature)
        size = max(1, NEGATIVES_PER_BLOCK // n)
        for place in (slice(first, first + size) for first in range(0, pairs, size)):
            user, positive, drawn = users[place], positives[place], negatives[place]
            far = score_candidates(user, items, drawn).div_(temperature)
            near = (user * positive).sum(1, keepdim=True) / temperature
            if log_q is not None:
                near, far = near - log_q[0][place, None], far.sub_(log_q[1][place])
            total = torch.logaddexp(far.logsumexp(1, keepdim=True), near)
            loss += (total - near).sum() / pairs
            own = (near - total).expm1_().mul_(scale)
            odds = far.sub_(total).exp_().mul_(scale)
            of_positives[place] = own * user
            of_users[place] = sum_candidates(items, drawn, odds).addcmul_(own, positive)
            of_items += sum_rows(user, drawn, odds, len(items))
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


class _SharedSoftmax(torch.autograd.Function):
    """Gradients written out: a few passes over batch x batch numbers, which lie as the mask does (items first)."""

    @staticmethod
    def forward(  # noqa: PLR0917 autograd passes them by position
        ctx: Any,  # noqa: ANN401 autograd's own
        users: Tensor,
        items: Tensor,
        log_q: Tensor | None,
        allowed: Tensor,
        temperature: float,
    ) -> Tensor:
        pairs, scaled = len(users), users / temperature
        barred = (~allowed.T).fill_diagonal_(False)  # noqa: FBT003 torch takes the value so
        logits, own = items @ scaled.T, (items * scaled).sum(1)
        if log_q is not None:
            logits.sub_(log_q.unsqueeze(1))
            own.sub_(log_q)
        peak = logits.masked_fill_(barred, -torch.inf).amax(0)
        odds = logits.sub_(peak).exp_()
        total = odds.sum(0)
        share = 1 / (pairs * temperature)
        of_users = (odds.T @ items).div_(total.unsqueeze(1)).sub_(items).mul_(share)
        of_items = (odds @ (users / total.unsqueeze(1))).sub_(users).mul_(share)
        ctx.save_for_backward(of_users, of_items)
        return (total.log() + peak - own).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 autograd's own
        return *(gradients[0] * saved for saved in ctx.saved_tensors), None, None, None


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
    out: Tensor = _SharedSoftmax.apply(users, items, log_q, allowed, temperature)  # type: ignore[no-untyped-call] # torch
    return out
