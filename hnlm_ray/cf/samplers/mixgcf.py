"""MixGCF: negatives with a random part of the positive in them."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import HopNegatives
from hnlm_ray.cf.samplers.layered import HopSampler


class MixGCFSampler(HopSampler):
    """MixGCF (Huang et al., KDD 2021): e'_jl = a e_il + (1 - a) e_jl in layer l, a ~ U(0, 1).

    One a for each pair and layer, the same for all candidates. So argmax over candidates of <u, e'_jl> is that of
    <u, e_jl>: the positive's part is the same for all, and 1 - a is above 0. The guard's term, lambda times the
    deviation times g, shrinks with 1 - a too, so this holds with a guard.
    """

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> HopNegatives:
        """Take the hardest candidates and draw the positive's share, float32[batch, hops, 1]."""
        items = self.hardest(batch, embeddings).items
        share = torch.rand(items.shape, generator=self.generator, device=items.device)
        return HopNegatives(items, share.unsqueeze(2))
