"""What the LLM made, mixed with a sampled item: e~ = alpha * e_hard + (1 - alpha) * e_j (arXiv 2504.04726)."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.classical import CLASSICAL
from hnlm_ray.cf.samplers.pool_items import PoolItems
from hnlm_ray.errors import InputError


class PoolSampler(Sampler):
    """The semantic pool: alpha * e_pool + (1 - alpha) * e_j, j from ``config.base_sampler``.

    The pool item of a pair is drawn in proportion to the weights; a pair without entry uses e_j alone.
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        self.alpha, self.pool = inputs.config.alpha, PoolItems(inputs, "cf.sampler 'pool'")
        self.base = CLASSICAL[inputs.config.base_sampler](inputs)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw the base sampler's negatives and the pool items to mix with them."""
        negatives = self.base.sample(batch, embeddings).items
        items, covered = (column.squeeze(1) for column in self.pool.draw(batch.edges, 1))
        pool_items = torch.where(covered, items, negatives)
        return Negatives(negatives, pool_items=pool_items, mix=covered * self.alpha)


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
