"""The static samplers: uniform (RNS) and by popularity (PNS)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.unobserved import UnobservedItems


class StaticSampler(Sampler):
    """Items in proportion to a fixed weight (float64[items], above 0): uniform (RNS) or popularity^power (PNS)."""

    reads: ClassVar[Literal["nothing", "final", "hops"]] = "nothing"

    def __init__(self, inputs: SamplerInputs, weights: Tensor | None = None) -> None:
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device, weights)
        self.count = inputs.count
        self.log_q = None if weights is None else (weights / weights.sum()).log().float().to(inputs.device)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw negatives; the embeddings don't matter."""
        del embeddings
        users = batch.users if self.count is None else batch.users[:, None].expand(-1, self.count)
        items = self.unobserved.draw(users)
        if self.log_q is None:
            return Negatives(items)
        return Negatives(items, log_q=self.log_q[items], positive_log_q=self.log_q[batch.items])


def popularity_sampler(inputs: SamplerInputs) -> StaticSampler:
    """PNS: p(j) in proportion to popularity(j)^power; an item without training positives counts as 1."""
    popularity = torch.from_numpy(inputs.data.train.popularity(inputs.data.items)).clamp(min=1)
    return StaticSampler(inputs, popularity.double() ** inputs.config.popularity_power)
