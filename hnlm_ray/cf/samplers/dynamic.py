"""DNS, with an optional guard."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.guard import Guard
from hnlm_ray.cf.samplers.base import Negatives, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CandidateSampler, choose


class DynamicSampler(CandidateSampler):
    """DNS (Zhang et al., SIGIR 2013): of M uniform candidates, the one with the highest current score.

    With ``config.guard`` above 0 a candidate believed to be a false negative is held back
    (:class:`hnlm_ray.cf.guard.Guard`).
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.guard = Guard(inputs.data, inputs.config, inputs.device) if inputs.config.guard else None

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep each user's hardest."""
        candidates, scores = self.draw(batch, embeddings)
        if self.guard is not None:
            scores = self.guard.hold_back(scores, batch.users, candidates)
        return Negatives(choose(candidates, scores.argmax(1)))
