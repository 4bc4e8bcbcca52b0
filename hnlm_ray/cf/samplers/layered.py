"""MixGCF and DINS: both mix the hardest candidate of each layer with the positive.

MixGCF: negatives with a random part of the positive in them. DINS: how much of the positive a negative holds is decided
in each dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.kernels.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import HopNegatives, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CANDIDATE_SETTINGS, CandidateSampler


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


class MixGCFSampler(HopSampler):
    """MixGCF (Huang et al., KDD 2021): e'_jl = a e_il + (1 - a) e_jl in layer l, a ~ U(0, 1).

    One a for each pair and layer, the same for all candidates. So argmax over candidates of <u, e'_jl> is that of
    <u, e_jl>: the positive's part is the same for all, and 1 - a is above 0. The guard's term, lambda times the
    deviation times g, shrinks with 1 - a too, so this holds with a guard.
    """

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> HopNegatives:
        """Take the hardest candidates and draw the positive's share, float32[batch, hops, 1]."""
        items = self.hardest(batch, embeddings).items
        share = torch.rand(items.shape, generator=self.generator, device=items.device)
        return HopNegatives(items, share.unsqueeze(2))


class DINSSampler(HopSampler):
    """DINS (Wu et al., arXiv 2306.15905): e~ = (1 - w) i + w h, h the hardest candidate of the layer.

    In each dimension w = exp(u h) / (exp(u h) + alpha exp(u i)), alpha being ``config.dins_alpha``. The positive's
    share 1 - w is computed as sigmoid(log alpha + u i - u h), finite for any scores, and carries no gradient.
    """

    reads_settings = (*CANDIDATE_SETTINGS, "dins_alpha")

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.log_alpha = math.log(inputs.config.dins_alpha)

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> HopNegatives:
        """Take the hardest candidates and the positive's share, float32[batch, hops, dim]."""
        hardest = self.hardest(batch, embeddings)
        lead = (hardest.positives - hardest.negatives).mul_(hardest.users.unsqueeze(1))
        return HopNegatives(hardest.items, lead.add_(self.log_alpha).sigmoid_())
