"""What the LLM made, mixed with a sampled item: e~ = alpha * e_hard + (1 - alpha) * e_j (arXiv 2504.04726).

The samplers that a semantic negative can be mixed with: they draw one catalogue item for each pair.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.candidates import PoolItems
from hnlm_ray.cf.samplers.dynamic import DynamicSampler
from hnlm_ray.cf.samplers.static import PopularitySampler, StaticSampler
from hnlm_ray.config import CFConfig

CLASSICAL: Final[dict[str, type[Sampler]]] = {
    "rns": StaticSampler,
    "pns": PopularitySampler,
    "dns": DynamicSampler,
}


class MixingSampler(Sampler):
    """Base of what mixes a hard part into an item of ``config.base_sampler``, in the share ``config.alpha``."""

    mixes = True
    draws_by_text = True
    reads_settings: ClassVar[tuple[str, ...]] = ("alpha", "base_sampler")

    def __init__(self, inputs: SamplerInputs) -> None:
        self.alpha = inputs.config.alpha
        self.base = CLASSICAL[inputs.config.base_sampler](inputs)

    @classmethod
    def words(cls, config: CFConfig) -> list[str]:
        """Return the share of the hard part, and what the other is drawn by."""
        base = config.base_sampler
        return [f"alpha {config.alpha:.3g} with {base}", *CLASSICAL[base].words(config)]


class PoolSampler(MixingSampler):
    """The semantic pool: alpha * e_pool + (1 - alpha) * e_j, j from ``config.base_sampler``.

    The pool item of a pair is drawn in proportion to the weights; a pair without entry uses e_j alone.
    """

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.pool = PoolItems(inputs, "cf.sampler 'pool'")

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw the base sampler's negatives and the pool items to mix with them."""
        negatives = self.base.sample(batch, embeddings).items
        items, covered = (column.squeeze(1) for column in self.pool.draw(batch.edges, 1))
        pool_items = torch.where(covered, items, negatives)
        return Negatives(negatives, pool_items=pool_items, mix=covered * self.alpha)


class VectorSampler(MixingSampler):
    """The pair's own vector: alpha * adapter(v_ui) + (1 - alpha) * e_j, j from ``config.base_sampler``.

    Which vector a pair has is fixed, so nothing is drawn but j; a pair without vector uses e_j alone.
    """

    adapts_vectors = True
    reads_settings = (
        *("alpha", "base_sampler", "adapter_hidden", "adapter_attention", "adapter_training"),
        *("contrastive", "temperature", "alignment"),
    )

    def __init__(self, inputs: SamplerInputs) -> None:
        if (vectors := inputs.data.vectors) is None:
            raise InputError(
                "cf.sampler 'vectors' needs a vector for training pairs and the data has none; choose another sampler"
            )
        super().__init__(inputs)
        self.row = torch.from_numpy(vectors.row.astype("int64")).to(inputs.device)

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw the base sampler's negatives and name the vectors to mix with them."""
        negatives = self.base.sample(batch, embeddings).items
        rows = self.row[batch.edges]
        return Negatives(negatives, vector_rows=rows, mix=(rows >= 0) * self.alpha)
