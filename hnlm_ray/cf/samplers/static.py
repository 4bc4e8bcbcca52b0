"""The static samplers: uniform (RNS) and by popularity (PNS)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch, BlockBatch
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.config import CFConfig


class StaticSampler(Sampler):
    """Uniform items (RNS), or those of a subclass in proportion to its :meth:`weights`."""

    reads: ClassVar[Literal["nothing", "final", "hops"]] = "nothing"
    reads_settings: ClassVar[tuple[str, ...]] = ("softmax.negatives",)
    for_sampled_softmax = True
    manner = "uniform"

    def __init__(self, inputs: SamplerInputs) -> None:
        weights = self.weights(inputs)
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device, weights)
        self.count = inputs.count
        self.block: Batch | None = None
        self.ahead = torch.empty(0, dtype=torch.int64)
        self.log_q = None if weights is None else (weights / weights.sum()).log().float().to(inputs.device)

    def weights(self, inputs: SamplerInputs) -> Tensor | None:
        """Return a weight above 0 of each item, float64[items]; none: all are drawn alike."""
        del inputs
        return None

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw negatives; the embeddings don't matter."""
        del embeddings
        items = self._items(batch)
        if self.log_q is None:
            return Negatives(items)
        return Negatives(items, log_q=self.log_q[items], positive_log_q=self.log_q[batch.items])

    def _items(self, batch: Batch) -> Tensor:
        """Draw for the whole block of a batch at once; what is drawn ahead is used once, in the block's order."""
        if self.count is not None or not isinstance(batch, BlockBatch) or batch.block is None:
            return self.unobserved.draw(batch.users, self.count)
        if batch.first == 0:
            self.block, self.ahead = batch.block, self.unobserved.draw(batch.block.users)
        if self.block is not batch.block or len(self.ahead) != len(batch.block.users) - batch.first:
            return self.unobserved.draw(batch.users)
        items, self.ahead = self.ahead[: len(batch.users)], self.ahead[len(batch.users) :]
        return items


class PopularitySampler(StaticSampler):
    """PNS: p(j) in proportion to popularity(j)^power; an item without training positives counts as 1."""

    reads_settings = ("softmax.negatives", "softmax.log_q", "popularity_power")

    @classmethod
    def words(cls, config: CFConfig) -> list[str]:
        """Return the power."""
        return [f"popularity to the {config.popularity_power:.3g}"]

    def weights(self, inputs: SamplerInputs) -> Tensor | None:
        """Return popularity^power."""
        popularity = torch.from_numpy(inputs.data.train.popularity(inputs.data.items)).clamp(min=1)
        return popularity.double() ** inputs.config.popularity_power
