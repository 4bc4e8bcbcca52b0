"""DINS: how much of the positive a negative holds is decided in each dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import HopNegatives, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CANDIDATE_SETTINGS
from hnlm_ray.cf.samplers.layered import HopSampler


class DINSSampler(HopSampler):
    """DINS (Wu et al., arXiv 2306.15905): e~ = (1 - w) i + w h, h the hardest candidate of the layer.

    In each dimension w = exp(u h) / (exp(u h) + alpha exp(u i)), alpha being ``config.dins_alpha``. The positive's
    share 1 - w is computed as sigmoid(log alpha + u i - u h), finite for any scores, and carries no gradient.
    """

    reads_settings = (*CANDIDATE_SETTINGS, "dins_alpha")

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.log_alpha = math.log(inputs.config.dins_alpha)

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> HopNegatives:
        """Take the hardest candidates and the positive's share, float32[batch, hops, dim]."""
        hardest = self.hardest(batch, embeddings)
        lead = (hardest.positives - hardest.negatives).mul_(hardest.users.unsqueeze(1))
        return HopNegatives(hardest.items, lead.add_(self.log_alpha).sigmoid_())
