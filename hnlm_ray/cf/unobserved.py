"""Drawing items that a user has no training positive with."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data import CFData
from hnlm_ray.errors import InputError

BITSET_BYTES: Final = 256 * 2**20
REJECTION_ROUNDS: Final = 16
EXACT_CELLS: Final = 2**22


class Observed:
    """Answers whether (user, item) is a training positive: a bitset while it fits, sorted keys above.

    Parameters
    ----------
    data
        Only ``data.train`` is read: validation and test positives are unobserved.
    bitset_bytes
        Largest bitset (users x items / 8 bytes).
    """

    def __init__(self, data: CFData, device: torch.device | str, bitset_bytes: int = BITSET_BYTES) -> None:
        self.items = data.items
        self.stride = (data.items + 7) // 8
        self.bits = self.keys = None
        if data.users * self.stride <= bitset_bytes:
            self.bits = torch.from_numpy(_bitset(data, self.stride)).to(device)
            self.mask = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8, device=device)
        else:
            # The sentinel makes every search land inside, also with no pairs at all.
            keys = np.append(data.train.keys(data.items), np.iinfo(np.int64).max)
            self.keys = torch.from_numpy(keys).to(device)

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        """Return bool, broadcast over int64 users and items."""
        if self.bits is not None:
            return (self.bits[users * self.stride + (items >> 3)] & self.mask[items & 7]) != 0
        assert self.keys is not None  # noqa: S101 one of the two was built
        keys = users * self.items + items
        return self.keys[torch.searchsorted(self.keys, keys)] == keys


def _bitset(data: CFData, stride: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    users, items = data.train.pairs()
    bits = np.zeros(data.users * stride, np.uint8)
    masks = np.left_shift(1, items & 7).astype(np.uint8)
    np.bitwise_or.at(bits, users.astype(np.int64) * stride + (items >> 3), masks)
    return bits


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
        self.cumulative = None if weights is None else self.weights.cumsum(0)

    def draw(self, users: Tensor) -> Tensor:
        """Return one item for each entry of ``users`` (int64, any shape), int64 of the same shape.

        Raises
        ------
        InputError
            A user has a training positive with every item.
        """
        flat = users.reshape(-1)
        items = self._propose(len(flat))
        rejected = self.observed(flat, items).nonzero().squeeze(1)
        for _ in range(REJECTION_ROUNDS):
            if len(rejected) == 0:
                return items.view(users.shape)
            fresh = self._propose(len(rejected))
            items[rejected] = fresh
            rejected = rejected[self.observed(flat[rejected], fresh)]
        for part in torch.split(rejected, max(1, EXACT_CELLS // self.items)):
            items[part] = self._draw_from_complement(flat[part])
        return items.view(users.shape)

    def _propose(self, count: int) -> Tensor:
        if self.cumulative is None:
            return torch.randint(self.items, (count,), generator=self.generator, device=self.device)
        return _inverse(self.cumulative, self._uniform(count) * self.cumulative[-1])

    def _draw_from_complement(self, users: Tensor) -> Tensor:
        catalogue = torch.arange(self.items, device=self.device)
        free = ~self.observed(users[:, None], catalogue[None, :])
        if not bool(free.any(1).all()):
            raise InputError("a user has a training positive with every item, so it has no negative; leave it out")
        cumulative = (self.weights * free).cumsum(1)
        return _inverse(cumulative, (self._uniform(len(users)) * cumulative[:, -1])[:, None]).squeeze(1)

    def _uniform(self, count: int) -> Tensor:
        return torch.rand(count, generator=self.generator, device=self.device, dtype=torch.float64)


def _inverse(cumulative: Tensor, points: Tensor) -> Tensor:
    # right=True steps over items of weight 0; the clamp is for a point rounded up to the total.
    return torch.searchsorted(cumulative, points, right=True).clamp_(max=cumulative.shape[-1] - 1)
