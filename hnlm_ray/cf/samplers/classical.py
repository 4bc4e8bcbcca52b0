"""The classical samplers: uniform, by popularity, and dynamic with an optional guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.guard import Guard
from hnlm_ray.cf.samplers.base import Batch, Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.unobserved import UnobservedItems


class StaticSampler:
    """One item in proportion to a fixed weight: uniform (RNS) or popularity^power (PNS)."""

    def __init__(self, inputs: SamplerInputs, weights: Tensor | None = None) -> None:
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device, weights)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw negatives; the embeddings don't matter."""
        del embeddings
        return Negatives(self.unobserved.draw(batch.users))


def popularity_sampler(inputs: SamplerInputs) -> StaticSampler:
    """PNS: p(j) in proportion to popularity(j)^power; an item without training positives counts as 1."""
    popularity = torch.from_numpy(inputs.data.train.popularity(inputs.data.items)).clamp(min=1)
    return StaticSampler(inputs, popularity.double() ** inputs.config.popularity_power)


class DynamicSampler:
    """DNS (Zhang et al., SIGIR 2013): of M uniform candidates, the one with the highest current score.

    With ``config.guard`` above 0 a candidate believed to be a false negative is held back
    (:class:`hnlm_ray.cf.guard.Guard`).
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        self.users, self.candidates = inputs.data.users, inputs.config.candidates
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)
        self.guard = Guard(inputs.data, inputs.config, inputs.device) if inputs.config.guard else None

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep each user's hardest."""
        candidates = self.unobserved.draw(batch.users[:, None].expand(-1, self.candidates))
        # index_select gathers rows three times faster than indexing with a matrix.
        vectors = embeddings.index_select(0, self.users + candidates.view(-1)).view(*candidates.shape, -1)
        scores = torch.bmm(vectors, embeddings.index_select(0, batch.users).unsqueeze(2)).squeeze(2)
        if self.guard is not None:
            scores = self.guard.hold_back(scores, batch.users, candidates)
        return Negatives(candidates.gather(1, scores.argmax(1, keepdim=True)).squeeze(1))


CLASSICAL: Final[dict[str, Callable[[SamplerInputs], Sampler]]] = {
    "rns": StaticSampler,
    "pns": popularity_sampler,
    "dns": DynamicSampler,
}
