"""Drawing items in proportion to weights, at a cost that doesn't grow with the catalogue."""

from __future__ import annotations

import torch
from torch import Tensor


class AliasTable:
    """Walker's alias method (ACM TOMS 1977): item k keeps share ``own[k]`` of its slot, ``alias[k]`` has the rest.

    Built without a loop over items (Hübschle-Schneider and Sanders, 2019): the light items fill up from the heavy ones
    in order, so where each one's rest comes from follows from two running sums.

    Parameters
    ----------
    weights
        float64[items], none below 0, some above.
    """

    def __init__(self, weights: Tensor) -> None:
        share = weights * (len(weights) / weights.sum())
        heavy, light = (share > 1).nonzero().view(-1), (share <= 1).nonzero().view(-1)
        self.own, self.alias = share.clamp(max=1), torch.arange(len(weights), dtype=torch.int32, device=weights.device)
        # Equal weights: each share is 1, or all are a rounding above or below it.
        if len(heavy) == 0 or len(light) == 0:
            return
        given, taken = (share[heavy] - 1).cumsum(0), (1 - share[light]).cumsum(0)
        last = len(heavy) - 1
        # A light item takes from the heavy one that has some left when those before it are full.
        before = torch.cat([taken.new_zeros(1), taken[:-1]])
        donor = torch.searchsorted(given, before).clamp_(max=last)
        self.alias[light] = heavy[donor].int()
        # The light item in which a heavy one runs out takes it all: what is missing then is that one's own lack.
        emptied = torch.searchsorted(taken, given[:last], right=True).clamp_(max=len(light) - 1)
        self.own[heavy[:last]] = (1 + given[:last] - taken[emptied]).clamp_(0, 1)
        self.alias[heavy[:last]] = heavy[1:].int()

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return independent draws, int32[shape]."""
        points = torch.rand(shape, generator=generator, device=self.own.device, dtype=torch.float64)
        points.mul_(len(self.own))
        slots = points.int().clamp_(max=len(self.own) - 1)
        flat = slots.view(-1)
        kept = points.sub_(slots) < self.own.index_select(0, flat).view(shape)
        return torch.where(kept, slots, self.alias.index_select(0, flat).view(shape))
