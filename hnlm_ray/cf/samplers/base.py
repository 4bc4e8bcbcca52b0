"""What every negative sampler takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.config import CFConfig


@dataclass(frozen=True)
class Batch:
    """Training pairs: users, items and their edges in the training CSR, int64[batch] each."""

    users: Tensor
    items: Tensor
    edges: Tensor


@dataclass(frozen=True)
class Negatives:
    """One negative for each pair: ``mix * hard + (1 - mix) * e[items]``.

    ``items`` int64[batch] are the sampled ones. Hard is ``e[pool_items]`` (int64[batch]) or what the
    adapter makes of the vectors of ``vector_rows`` (int64[batch], -1: none). Both and ``mix``
    float32[batch] are none where the sampler has no such thing; ``mix`` is 0 for a pair without.
    """

    items: Tensor
    pool_items: Tensor | None = None
    vector_rows: Tensor | None = None
    mix: Tensor | None = None


@dataclass(frozen=True)
class SamplerInputs:
    """What a sampler is built from; the pool draws from its own stream, so alpha 0 equals its base sampler."""

    data: CFData
    config: CFConfig
    generator: torch.Generator
    pool_generator: torch.Generator
    device: torch.device


class Sampler(Protocol):
    """Draws one negative for each pair of a batch."""

    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw negatives; ``embeddings`` are the current final ones, float32[users + items, dim]."""
        ...
