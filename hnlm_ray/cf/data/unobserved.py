"""Drawing items that a user has no training positive with.

Drawing items in proportion to weights, at a cost that doesn't grow with the catalogue.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.observed import Observed


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


PROPOSALS: Final = (2, 4, 8, 8)
CELLS_AT_ONCE: Final = 2**22


class UnobservedItems:
    """Draws items in proportion to a weight among those that are no training positives of the user.

    Rejection first; what is still rejected after some rounds (users who know nearly everything) is drawn
    from the user's explicit complement, so that every draw ends and the distribution is exact.

    Parameters
    ----------
    weights
        float[items], above 0; none means uniform.
    """

    def __init__(
        self, data: CFData, generator: torch.Generator, device: torch.device | str, weights: Tensor | None = None
    ) -> None:
        self.observed = Observed(data, device)
        self.generator, self.device, self.items = generator, device, data.items
        uniform = torch.ones(data.items, dtype=torch.float64, device=device)
        self.weights = uniform if weights is None else weights.to(device, torch.float64)
        self.table = None if weights is None else AliasTable(self.weights)

    def draw(self, users: Tensor, count: int | None = None) -> Tensor:
        """Return one item for each entry of ``users``, or ``count`` independent ones.

        Parameters
        ----------
        users
            int64, any shape.

        Returns
        -------
        int64 of the shape of ``users``, with a last axis of length ``count`` where that is given.

        Raises
        ------
        InputError
            A user has a training positive with every item.
        """
        owners = users.reshape(-1)
        proposed = self._propose((len(owners), 1 if count is None else count))
        positive = self.observed.positives(owners, proposed)
        items = proposed.view(-1).long()
        if len(positive):
            self._redraw(items, positive, owners.index_select(0, positive // proposed.shape[1]))
        return items.view(users.shape if count is None else (*users.shape, count))

    def _redraw(self, items: Tensor, places: Tensor, owners: Tensor) -> None:
        """Replace ``items[places]``, positives of ``owners``, in place by others that are none; int64[n] all three."""
        for proposals in PROPOSALS:
            fresh = self._propose((len(places), proposals))
            positive = self.observed(owners, fresh)
            # The first that is no positive; where all are, whichever: it is replaced in the next round.
            first = positive.view(torch.uint8).argmin(1, keepdim=True)
            items.index_copy_(0, places, fresh.gather(1, first).view(-1).long())
            still = positive.gather(1, first).view(-1).nonzero().view(-1)
            if len(still) == 0:
                return
            places, owners = places.index_select(0, still), owners.index_select(0, still)
        rows = max(1, CELLS_AT_ONCE // self.items)
        for place, owner in zip(torch.split(places, rows), torch.split(owners, rows), strict=True):
            items.index_copy_(0, place, self._draw_from_complement(owner))

    def _propose(self, shape: tuple[int, ...]) -> Tensor:
        if self.table is not None:
            return self.table.draw(shape, self.generator)
        # Half the bytes of int64 in each of the passes that follow.
        return torch.randint(self.items, shape, generator=self.generator, device=self.device, dtype=torch.int32)

    def _draw_from_complement(self, users: Tensor) -> Tensor:
        free = torch.ones(len(users), self.items, dtype=torch.bool, device=self.device)
        free[self.observed.known(users)] = False
        if not bool(free.any(1).all()):
            raise InputError("a user has a training positive with every item, so it has no negative; leave it out")
        cumulative = (self.weights * free).cumsum(1)
        points = torch.rand(len(users), 1, generator=self.generator, device=self.device, dtype=torch.float64)
        # right=True steps over items of weight 0; the clamp is for a point rounded up to the total.
        found = torch.searchsorted(cumulative, points * cumulative[:, -1:], right=True)
        return found.clamp_(max=self.items - 1).squeeze(1)
