"""DNS with an optional guard, and its relatives.

DNS(M,N): some of the hardest instead of the hardest one. AHNS: the harder a negative, the less certain the positive.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives, SamplerInputs
from hnlm_ray.cf.samplers.candidates import CANDIDATE_SETTINGS, CandidateSampler, choose
from hnlm_ray.config import CFConfig


class TopOfManySampler(CandidateSampler):
    """DNS(M,N) (Shi et al., WWW 2023): the M highest scores of N uniform candidates.

    M is ``config.dns.top``, N ``config.candidates`` (published: 2 of 200). Rule ``sum`` gives all M, highest first,
    and their losses are summed; rule ``one`` gives one of them, each with the same odds. Candidates are independent
    draws, as in DNS: one item can be several of the M. With a guard the guarded score takes the place of the score:
    the M highest of these are kept.

    Raises
    ------
    InputError
        M is above N.
    """

    reads_settings = (*CANDIDATE_SETTINGS, "dns")

    def __init__(self, inputs: SamplerInputs) -> None:
        super().__init__(inputs)
        self.top, self.rule = inputs.config.dns.top, inputs.config.dns.rule
        if self.top > self.candidates:
            raise InputError(
                f"cf.dns.top {self.top} is more than cf.candidates {self.candidates}; raise cf.candidates or lower it"
            )

    @classmethod
    def words(cls, config: CFConfig) -> list[str]:
        """Return the same as of DNS, with how many of the candidates are taken."""
        candidates, *others = super().words(config)
        return [f"{config.dns.top} of {candidates}", *others]

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates; keep int64[batch, M] of them (rule sum) or int64[batch] (rule one)."""
        candidates, scores = self.draw(batch, embeddings)
        places = self.hold_back(scores, batch, candidates).topk(self.top, 1).indices
        hardest = candidates.gather(1, places)
        if self.rule == "sum":
            return Negatives(hardest)
        place = torch.randint(self.top, (len(hardest),), generator=self.generator, device=hardest.device)
        return Negatives(choose(hardest, place))


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


class DynamicSampler(CandidateSampler):
    """DNS (Zhang et al., SIGIR 2013): of M candidates, the one with the highest current score.

    With a guard the guarded score takes the place of the score: a candidate believed to be a false negative is held
    back (:class:`hnlm_ray.cf.guard.Guard`).
    """

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep each user's hardest."""
        candidates, scores = self.draw(batch, embeddings)
        return Negatives(choose(candidates, self.hold_back(scores, batch, candidates).argmax(1)))
