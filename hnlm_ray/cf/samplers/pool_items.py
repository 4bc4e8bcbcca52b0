"""Items of a pair's own pool, drawn by their weights."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.samplers.base import SamplerInputs


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
