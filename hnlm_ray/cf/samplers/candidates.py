"""What most samplers choose among: candidates and their scores."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.guard import Guard
from hnlm_ray.cf.kernels.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import Sampler, SamplerInputs
from hnlm_ray.cf.samplers.pool_items import PoolItems
from hnlm_ray.config import CFConfig

CANDIDATE_SETTINGS: Final = ("candidates", "pool_share", "guard")


class CandidateSampler(Sampler):
    """Base of the samplers that draw ``config.candidates`` unobserved items a pair and score them.

    Candidates are uniform, independent draws. With ``config.pool_share`` above 0 that share of them (rounded, at least
    one) is drawn from the pair's own pool by its weights, where it has an entry; the others are those that share 0
    draws. With ``config.guard`` above 0 a subclass holds back those believed to be false negatives.

    Raises
    ------
    InputError
        ``config.pool_share`` is above 0 and the data has no pool, or the guard can't be made.
    """

    chooses_among_candidates = True
    reads_settings: ClassVar[tuple[str, ...]] = CANDIDATE_SETTINGS

    def __init__(self, inputs: SamplerInputs) -> None:
        config = inputs.config
        self.users, self.candidates = inputs.data.users, config.candidates
        self.generator = inputs.generator
        self.unobserved = UnobservedItems(inputs.data, inputs.generator, inputs.device)
        self.from_pool = max(1, round(config.pool_share * config.candidates))
        self.pool = PoolItems(inputs, f"cf.pool_share {config.pool_share}") if config.pool_share else None
        self.guard = Guard(inputs.data, config, inputs.device) if config.guard else None

    @classmethod
    def words(cls, config: CFConfig) -> list[str]:
        """Return how many candidates there are, their guard and the pool's share of them."""
        guard = [f"lambda {config.guard:g} ({config.guard_features})"] if config.guard else []
        share = [f"pool share {config.pool_share:g}"] if config.pool_share else []
        return [f"M {config.candidates}", *guard, *share]

    def draw_candidates(self, batch: Batch) -> Tensor:
        """Return candidates, int64[batch, m]; those of the pool stand first."""
        candidates = self.unobserved.draw(batch.users, self.candidates)
        if self.pool is not None:
            items, covered = self.pool.draw(batch.edges, self.from_pool)
            first = candidates[:, : self.from_pool]
            first.copy_(torch.where(covered, items, first))
        return candidates

    def draw(self, batch: Batch, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return candidates int64[batch, m] and their scores float32[batch, m] by the final ``embeddings``."""
        candidates = self.draw_candidates(batch)
        users = embeddings.index_select(0, batch.users)
        return candidates, score_candidates(users, embeddings[self.users :], candidates)

    def hold_back(self, scores: Tensor, batch: Batch, candidates: Tensor) -> Tensor:
        """Return the scores to choose by: the guarded ones, or as they are without a guard.

        ``scores`` float32[batch, m] or [batch, layers, m].
        """
        return scores if self.guard is None else self.guard.hold_back(scores, batch.users, candidates)


def choose(candidates: Tensor, place: Tensor) -> Tensor:
    """Return ``candidates[i, place[i]]``, int64[n]."""
    return candidates.gather(1, place.unsqueeze(1)).squeeze(1)
