"""What the LLM made, mixed with a sampled item: e~ = alpha * e_hard + (1 - alpha) * e_j (arXiv 2504.04726)."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.classical import CLASSICAL
from hnlm_ray.errors import InputError


class PoolSampler(Sampler):
    """The semantic pool: alpha * e_pool + (1 - alpha) * e_j, j from ``config.base_sampler``.

    The pool item of a pair is drawn in proportion to the weights; a pair without entry uses e_j alone.
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        if (pool := inputs.data.pool) is None:
            raise InputError(
                "cf.sampler 'pool' needs a pool of negatives and the data has none; choose another sampler"
            )
        self.alpha, self.generator = inputs.config.alpha, inputs.pool_generator
        self.base = CLASSICAL[inputs.config.base_sampler](inputs)
        self.indptr = torch.from_numpy(pool.indptr).to(inputs.device)
        # Entry 0 of the sum is 0: the total before an edge is cumulative[indptr[edge]].
        total = torch.from_numpy(pool.weights).double().cumsum(0)
        self.cumulative = torch.cat([torch.zeros(1, dtype=torch.float64), total]).to(inputs.device)
        # The sentinel is what an edge without entry points at when it is the last one; its mix is 0.
        self.entries = torch.cat([torch.from_numpy(pool.items).long(), torch.zeros(1, dtype=torch.long)])
        self.entries = self.entries.to(inputs.device)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw the base sampler's negatives and the pool items to mix with them."""
        negatives = self.base.sample(batch, embeddings).items
        first, end = self.indptr[batch.edges], self.indptr[batch.edges + 1]
        covered = first < end
        pool_items = torch.where(covered, self.entries[self._draw(first, end)], negatives)
        return Negatives(negatives, pool_items=pool_items, mix=covered * self.alpha)

    def _draw(self, first: Tensor, end: Tensor) -> Tensor:
        low, high = self.cumulative[first], self.cumulative[end]
        uniform = torch.rand(len(first), generator=self.generator, device=first.device, dtype=torch.float64)
        entry = torch.searchsorted(self.cumulative, low + uniform * (high - low), right=True) - 1
        return torch.maximum(first, torch.minimum(entry, end - 1))


class VectorSampler(Sampler):
    """The pair's own vector: alpha * adapter(v_ui) + (1 - alpha) * e_j, j from ``config.base_sampler``.

    Which vector a pair has is fixed, so nothing is drawn but j; a pair without vector uses e_j alone.
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        if (vectors := inputs.data.vectors) is None:
            raise InputError(
                "cf.sampler 'vectors' needs a vector for training pairs and the data has none; choose another sampler"
            )
        self.alpha = inputs.config.alpha
        self.base = CLASSICAL[inputs.config.base_sampler](inputs)
        self.row = torch.from_numpy(vectors.row.astype("int64")).to(inputs.device)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw the base sampler's negatives and name the vectors to mix with them."""
        negatives = self.base.sample(batch, embeddings).items
        rows = self.row[batch.edges]
        return Negatives(negatives, vector_rows=rows, mix=(rows >= 0) * self.alpha)
