"""AHNS: the harder a negative, the less certain the positive."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CANDIDATE_SETTINGS, CandidateSampler, choose

SMALLEST: Final = 1e-3


class AdaptiveHardnessSampler(CandidateSampler):
    """AHNS (Lai et al., AAAI 2024): the candidate whose score is nearest to beta * (s(u, i) + alpha)^(p + 1).

    With p below -1 (published: -2) the wanted score falls as the positive's rises. The rule is made for a base
    s(u, i) + alpha above 0; at 0 the power is infinite and below 0 it changes sign or is no number. So the base
    is at least 0.001: for such a positive the wanted score lies above all others, and the hardest candidate is taken.
    The authors' code has no such bound: with p = -2 it wants a score below 0 for a base below 0, and takes the easiest
    just below it. The bound keeps the method's aim, a harder negative for a less sure positive.
    Distances are compared in float64, where scores stay apart that are far below the wanted one.

    With a guard the distance is lengthened by lambda std(s) g: what AHNS chooses by is minus the distance, and that is
    held back. (The guarded score in the place of the score would do the opposite for a sure positive: the wanted score
    lies low there, and a likely false negative would be moved down to it.) Where the wanted score lies above all
    others the choice is that of guarded DNS.
    """

    reads_settings = (*CANDIDATE_SETTINGS, "ahns")

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.settings = inputs.config.ahns

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep the one nearest to the wanted hardness."""
        candidates, scores = self.draw(batch, embeddings)
        users, positives = (embeddings.index_select(0, rows) for rows in (batch.users, self.users + batch.items))
        base = (users * positives).sum(1).double().add_(self.settings.alpha).clamp_(min=SMALLEST)
        wanted = self.settings.beta * base.pow(self.settings.power + 1)
        distance = (scores.double() - wanted.unsqueeze(1)).abs_()
        if self.guard is not None:
            distance += self.guard.penalty(scores, batch.users, candidates)
        return Negatives(choose(candidates, distance.argmin(1)))
