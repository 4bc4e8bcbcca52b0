"""The paper's contrastive loss, in the teacher's space."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def contrastive_loss(
    queries: Tensor, targets: Tensor, negatives: Tensor, wrong: Tensor, weights: Tensor, t: float
) -> Tensor:
    """Return the weighted sum over a of -mean_b log sigmoid((cos(q_a, p_a) - cos(q_a, n_b)) / t).

    The paper's fine-tuning loss with in-batch negatives. Dividing by the sum of weights gives the mean.

    Parameters
    ----------
    queries, targets
        float32[batch, k]: the model's vectors, and the items that they should come near to.
    negatives
        float32[n, k]: positives and random items of the whole batch.
    wrong
        bool[batch, n]: negatives that are no negatives of this query (its own target).
    weights
        float32[batch].
    t
        Temperature; 0.05 in the paper.
    """
    unit = functional.normalize(queries, dim=1)
    lead = (unit * functional.normalize(targets, dim=1)).sum(1, keepdim=True)
    lead = lead - unit @ functional.normalize(negatives, dim=1).T
    losses = functional.softplus(-lead / t).masked_fill(wrong, 0.0)
    each = losses.sum(1) / (~wrong).sum(1).clamp(min=1)
    return (each * weights).sum()
