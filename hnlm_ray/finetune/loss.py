"""The paper's contrastive loss, in the teacher's space."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from hnlm_ray.finetune.batches import Batch


def contrastive_loss(queries: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Return sum_a w_a mean_b -log sigmoid((cos(q_a, p_a) - cos(q_a, n_b)) / t) / W: these records' part of a loss.

    The paper's fine-tuning loss with in-batch negatives: b runs over the negatives of the whole batch but for
    those that are a's own target, and W is the sum of the whole batch's weights. The parts of a batch add up to
    its loss, and their gradients to its gradient, however it is cut: targets and negatives are constants.

    Parameters
    ----------
    queries
        float32[records, k]: the model's vectors, on the batch's device.
    batch
        With targets p float32[records, k], negatives n float32[n, k], weights w float32[records].
    temperature
        t; 0.05 in the paper.
    """
    unit = functional.normalize(queries, dim=1)
    own = (unit * functional.normalize(batch.targets, dim=1)).sum(1, keepdim=True)
    lead = own - unit @ functional.normalize(batch.negatives, dim=1).T
    losses = functional.softplus(-lead / temperature).masked_fill(batch.wrong, 0.0)
    each = losses.sum(1) / (~batch.wrong).sum(1).clamp(min=1)
    return (each * batch.weights).sum() / batch.weight
