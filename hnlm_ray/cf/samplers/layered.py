"""What MixGCF and DINS share: the hardest candidate of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import HopNegatives
from hnlm_ray.cf.samplers.candidates import CandidateSampler


@dataclass(frozen=True)
class Hardest:
    """The hardest candidate of each pair and layer: ``items`` int64[batch, hops].

    ``users`` float32[batch, dim] are the final embeddings; ``positives`` and ``negatives`` float32[batch, hops, dim]
    those of each layer.
    """

    items: Tensor
    users: Tensor
    positives: Tensor
    negatives: Tensor


class HopSampler(CandidateSampler):
    """Draws M candidates a pair, the same for all layers, and takes in each layer l the argmax of <u, e_jl>.

    u is the final embedding, the mean over the layers, as in the authors' definition of both samplers. With a guard
    each layer chooses by its guarded scores: their deviation is that of the layer, the belief the same in all.
    """

    reads: ClassVar[Literal["nothing", "final", "hops"]] = "hops"

    def hardest(self, batch: Batch, embeddings: Tensor) -> Hardest:
        """Return the hardest of fresh candidates by ``embeddings`` float32[users + items, hops, dim]."""
        hops, dim = embeddings.shape[1:]
        layer = torch.arange(hops, device=batch.users.device)
        users = embeddings.index_select(0, batch.users).mean(1)
        candidates = self.draw_candidates(batch)
        # One row an (item, layer), so that all layers are scored at once.
        flat = embeddings[self.users :].reshape(-1, dim)
        rows = (candidates.unsqueeze(1) * hops + layer.unsqueeze(1)).view(len(users), -1)
        scores = score_candidates(users, flat, rows).view(len(users), hops, self.candidates)
        items = candidates.gather(1, self.hold_back(scores, batch, candidates).argmax(2))
        negatives = flat.index_select(0, (items * hops + layer).view(-1)).view(-1, hops, dim)
        return Hardest(items, users, embeddings.index_select(0, self.users + batch.items), negatives)

    def sample(self, batch: Batch, embeddings: Tensor) -> HopNegatives:
        """Draw the negatives of each layer; ``embeddings`` float32[users + items, hops, dim]."""
        raise NotImplementedError
