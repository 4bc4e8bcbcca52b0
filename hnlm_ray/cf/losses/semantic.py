"""The two terms of semantic negatives."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


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
