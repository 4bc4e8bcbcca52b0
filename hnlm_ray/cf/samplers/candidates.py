"""What most samplers choose among: candidates and their scores."""

from __future__ import annotations

from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import Sampler, SamplerInputs
from hnlm_ray.cf.unobserved import UnobservedItems


class CandidateSampler(Sampler):
    """Base of the samplers that draw ``config.candidates`` uniform unobserved items a pair and score them."""

    def __init__(self, inputs: SamplerInputs) -> None:
        self.users, self.candidates = inputs.data.users, inputs.config.candidates
        self.generator = inputs.generator
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)

    def draw(self, batch: Batch, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return candidates int64[batch, m] and their scores float32[batch, m] by the final ``embeddings``."""
        candidates = self.unobserved.draw(batch.users, self.candidates)
        users = embeddings.index_select(0, batch.users)
        return candidates, score_candidates(users, embeddings[self.users :], candidates)


def choose(candidates: Tensor, place: Tensor) -> Tensor:
    """Return ``candidates[i, place[i]]``, int64[n]."""
    return candidates.gather(1, place.unsqueeze(1)).squeeze(1)
