"""What most samplers choose among: candidates and their scores.

Items of a pair's own pool, drawn by their weights.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.unobserved import UnobservedItems
from hnlm_ray.cf.guard import Guard
from hnlm_ray.cf.kernels.sampled_products import score_candidates
from hnlm_ray.cf.samplers.base import Sampler, SamplerInputs
from hnlm_ray.config import CFConfig


class PoolItems:
    """Draws entries of a pair's pool in proportion to their weights, each draw apart; from the pool's own stream.

    InputError, which names the setting ``who`` wants the pool, where the data has none.
    """

    def __init__(self, inputs: SamplerInputs, who: str) -> None:
        if (pool := inputs.data.pool) is None:
            raise InputError(f"{who} needs a pool of negatives and the data has none; choose another sampler")
        self.generator = inputs.pool_generator
        self.indptr = torch.from_numpy(pool.indptr).to(inputs.device)
        # Entry 0 of the sum is 0: the total before an edge is cumulative[indptr[edge]].
        total = torch.from_numpy(pool.weights).double().cumsum(0)
        self.cumulative = torch.cat([torch.zeros(1, dtype=torch.float64), total]).to(inputs.device)
        # The sentinel is what an edge without entry points at when it is the last one.
        self.entries = torch.cat([torch.from_numpy(pool.items).long(), torch.zeros(1, dtype=torch.long)])
        self.entries = self.entries.to(inputs.device)

    def draw(self, edges: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return ``count`` items of each edge, int64[n, count], and which edges have an entry, bool[n, 1].

        The items of an edge without entry mean nothing.
        """
        first, end = (self.indptr.index_select(0, place).unsqueeze(1) for place in (edges, edges + 1))
        low, high = self.cumulative[first], self.cumulative[end]
        shape = len(edges), count
        uniform = torch.rand(shape, generator=self.generator, device=edges.device, dtype=torch.float64)
        entry = torch.searchsorted(self.cumulative, low + uniform * (high - low), right=True) - 1
        return self.entries[torch.maximum(first, torch.minimum(entry, end - 1))], first < end


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
