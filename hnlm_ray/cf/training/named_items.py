"""Which catalogue items a negative stands for, and by what part: so its hardness and its falseness are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.observed import Observed
from hnlm_ray.cf.samplers import AnyNegatives, Negatives, SharedNegatives

CELLS_AT_ONCE: Final = 2**24
"""Cosines of vectors and items that are held together: 64 MiB."""
NONE: Final = -1

Meaning = Callable[[Tensor, Tensor], Tensor]
"""Of users int64[n] and rows of the pair vectors int64[n]: the item that each vector stands for, int64[n], -1: none."""


@dataclass(frozen=True)
class NamedItems:
    """The items of each pair's negative: ``items`` int64[n, k] and ``parts`` float64[n, k], which sum to 1 in a row."""

    items: Tensor
    parts: Tensor


def named_items(negatives: AnyNegatives, batch: Batch, meaning: Meaning | None = None) -> NamedItems:
    """Return what the negatives of a batch are made of.

    Of a pair's several negatives, or of the items that its layers take, each counts alike; of a mixed one the hard item
    by its weight in the mix and the sampled one by the rest. What is mixed in of the positive itself is no part. A
    vector counts as the item that ``meaning`` gives.

    Raises
    ------
    InputError
        The negatives are shared by the batch; they hold vectors and there is no ``meaning``.
    """
    if isinstance(negatives, SharedNegatives):
        raise InputError("negatives that a batch shares belong to no pair; measure another sampler")
    items = negatives.items.reshape(len(batch.users), -1)
    evenly = torch.full(items.shape, 1 / items.shape[1], dtype=torch.float64, device=items.device)
    if not isinstance(negatives, Negatives) or negatives.mix is None:
        return NamedItems(items, evenly)
    hard, mix = _hard_items(negatives, batch, meaning), negatives.mix.double()
    mix = torch.where(hard == NONE, 0.0, mix).unsqueeze(1)
    hard = torch.where(hard == NONE, items[:, 0], hard).unsqueeze(1)
    return NamedItems(torch.cat([hard, items], 1), torch.cat([mix, (1 - mix) * evenly], 1))


def _hard_items(negatives: Negatives, batch: Batch, meaning: Meaning | None) -> Tensor:
    if negatives.pool_items is not None:
        return negatives.pool_items
    rows = negatives.vector_rows
    if rows is None or meaning is None:
        raise InputError("a vector is no item: say which item it stands for, or measure another sampler")
    hard = torch.full_like(rows, NONE)
    there = (rows >= 0).nonzero().squeeze(1)
    return hard.index_copy(0, there, meaning(batch.users[there], rows[there]))


class NearestItems:
    """The catalogue item nearest to a vector by cosine, of those that its user has no training positive with.

    Parameters
    ----------
    items
        float[items, k], the catalogue in the vectors' space.
    there
        bool[items]: those that can be named; none: all.
    """

    def __init__(self, items: Tensor, data: CFData, there: Tensor | None = None) -> None:
        self.observed = Observed(data, items.device)
        self.unit = functional.normalize(items.float(), dim=1)
        self.absent = None if there is None else (~there).nonzero().squeeze(1)

    def of(self, vectors: Tensor, users: Tensor) -> Tensor:
        """Return int64[n] of ``vectors`` float[n, k] and ``users`` int64[n]; -1 where no item is left to be named."""
        rows = max(1, CELLS_AT_ONCE // max(1, len(self.unit)))
        parts = zip(torch.split(vectors, rows), torch.split(users, rows), strict=True)
        return torch.cat([self._of(*part) for part in parts])

    def _of(self, vectors: Tensor, users: Tensor) -> Tensor:
        cosines = vectors.float() @ self.unit.T  # the lengths of the vectors change no order
        if self.absent is not None:
            cosines.index_fill_(1, self.absent, -torch.inf)
        cosines[self.observed.known(users)] = -torch.inf
        best, items = cosines.max(1)
        return torch.where(best == -torch.inf, NONE, items)
