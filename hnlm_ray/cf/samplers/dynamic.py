"""DNS, with an optional guard."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives
from hnlm_ray.cf.samplers.candidates import CandidateSampler, choose


class DynamicSampler(CandidateSampler):
    """DNS (Zhang et al., SIGIR 2013): of M candidates, the one with the highest current score.

    With a guard the guarded score takes the place of the score: a candidate believed to be a false negative is held
    back (:class:`hnlm_ray.cf.guard.Guard`).
    """

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep each user's hardest."""
        candidates, scores = self.draw(batch, embeddings)
        return Negatives(choose(candidates, self.hold_back(scores, batch, candidates).argmax(1)))
