"""DNS(M,N): some of the hardest instead of the hardest one."""

from __future__ import annotations

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
