"""What one step trains on: the training pairs as tensors, in batches of pairs or of whole users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData


@dataclass(frozen=True)
class Batch:
    """Training pairs: users, items and their edges in the training CSR, int64[batch] each."""

    users: Tensor
    items: Tensor
    edges: Tensor


@dataclass(frozen=True)
class BlockBatch(Batch):
    """The pairs of a larger ``block`` from its pair ``first`` on; none: of no block.

    What reads nothing that is trained can be drawn for a block at once, several times faster than batch by batch.
    """

    block: Batch | None = None
    first: int = 0


@dataclass(frozen=True)
class UserBatch(Batch):
    """All training pairs of some users, a user's pairs side by side.

    ``owners`` int64[n] are the users, each once; ``row`` int64[batch] is the place of each pair's user among them.
    """

    owners: Tensor
    row: Tensor


PAIRS_OF_BLOCK: Final = 65_536


class TrainingPairs:
    """The pairs of users who have an unobserved item.

    ``skipped`` counts the others: no negative exists for them. InputError where nothing is left.
    """

    def __init__(self, data: CFData, device: torch.device) -> None:
        users, items = data.train.pairs()
        degree = data.train.degree
        edges = np.flatnonzero(degree[users] < data.items)
        self.skipped = len(users) - len(edges)
        if len(edges) == 0:
            raise InputError("there is no training pair whose user has an unobserved item; give more data")
        self.device = device
        self.users = torch.from_numpy(users.astype(np.int64)).to(device)
        self.items = torch.from_numpy(items.astype(np.int64)).to(device)
        self.edges = torch.from_numpy(edges).to(device)
        self.indptr = torch.from_numpy(data.train.indptr).to(device)
        self.upto = self._upto(data)
        self.owners = torch.from_numpy(np.flatnonzero((degree > 0) & (degree < data.items))).to(device)

    def _upto(self, data: CFData) -> Tensor | None:
        """Return the sums of the pairs' weights up to each, float64, as shares of all; none: all weigh the same."""
        if data.weights is None:
            return None
        upto = torch.from_numpy(data.weights.of(data.train, data.items)).to(self.device)[self.edges].cumsum(0)
        return upto / upto[-1]

    def __len__(self) -> int:
        return len(self.edges)

    def _order(self, shuffle: torch.Generator) -> Tensor:
        """Return the places of an epoch's pairs: every one once or, where they weigh, as many drawn in proportion."""
        # Half the bytes of int64, which half a cache's misses.
        kind = torch.int32 if len(self.edges) < 2**31 else torch.int64
        if self.upto is None:
            return torch.randperm(len(self.edges), generator=shuffle, device=self.device, dtype=kind)
        drawn = torch.rand(len(self.edges), generator=shuffle, device=self.device, dtype=torch.float64)
        return torch.searchsorted(self.upto, drawn, right=True).clamp_(max=len(self.edges) - 1).to(kind)

    def batches(self, shuffle: torch.Generator, size: int) -> Iterator[Batch]:
        """Yield an epoch's pairs, in a new order, ``size`` at a time."""
        order = self._order(shuffle)
        for places in torch.split(order, max(1, PAIRS_OF_BLOCK // size) * size):
            edges = places.long() if self.skipped == 0 else self.edges.index_select(0, places)
            block = Batch(self.users.index_select(0, edges), self.items.index_select(0, edges), edges)
            for first in range(0, len(edges), size):
                part = slice(first, first + size)
                yield BlockBatch(block.users[part], block.items[part], edges[part], block, first)

    def of_users(self, shuffle: torch.Generator, size: int) -> Iterator[UserBatch]:
        """Yield every user once, in a new order, with all their pairs: about ``size`` pairs at a time."""
        order = torch.randperm(len(self.owners), generator=shuffle, device=self.device)
        owners = self.owners[order]
        counts = self.indptr[owners + 1] - self.indptr[owners]
        before = counts.cumsum(0) - counts
        _, lengths = torch.unique_consecutive(before // size, return_counts=True)
        for chosen in torch.split(owners, lengths.tolist()):
            yield self._whole(chosen)

    def _whole(self, owners: torch.Tensor) -> UserBatch:
        first = self.indptr[owners]
        counts = self.indptr[owners + 1] - first
        row = torch.repeat_interleave(torch.arange(len(owners), device=self.device), counts)
        within = torch.arange(len(row), device=self.device) - (counts.cumsum(0) - counts)[row]
        edges = first[row] + within
        return UserBatch(owners[row], self.items[edges], edges, owners, row)
