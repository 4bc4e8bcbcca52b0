"""Answers whether a user has a training positive with an item, millions of times a second."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hnlm_ray.cf.data.cf_data import CFData

EXACT_BITS: Final = 2**26
BITS_PER_PAIR: Final = 32
MOST_BITS: Final = 2**30
MULTIPLIERS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


class _Bits:
    """A bit for each training pair, at ``start[user] + item`` of a table; start int64[users]."""

    def __init__(self, data: CFData, start: NDArray[np.int64], bits: int, device: torch.device | str) -> None:
        users, items = data.train.pairs()
        kind = np.int32 if bits + data.items < 2**31 else np.int64
        self.start = torch.from_numpy(start.astype(kind)).to(device)
        self.words = torch.from_numpy(_words(start[users] + items, bits + data.items)).to(device)

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        """Return 0 or 1, int32 of the shape of ``items`` int32[n] or [n, m]; ``users`` int64[n]."""
        # index_select is four times faster than indexing.
        start = self.start.index_select(0, users)
        bit = (start if items.dim() == 1 else start.unsqueeze(1)) + items
        word = self.words.index_select(0, (bit >> 5).view(-1)).view_as(bit)
        return word.bitwise_right_shift_(bit.bitwise_and_(31)).bitwise_and_(1)


class Observed:
    """Training positives as bits, small enough to stay in a processor's cache.

    User u's bit of item i stands at ``start[u] + i``. In a small matrix of users and items each cell has its own bit.
    In a large one users start at scattered places of a table of some 32 to 64 bits a pair, and share it: a bit
    that is 0 rules the pair out, the few that are 1 are looked up in a second such table, and those that are
    1 there too among the sorted pairs. So the answer is exact and memory grows with the interactions, not with
    users x items.

    Parameters
    ----------
    data
        Only ``data.train`` is read: validation and test positives are unobserved.
    exact_bits
        The largest matrix (users x items) with a bit for each cell.
    """

    def __init__(self, data: CFData, device: torch.device | str, exact_bits: int = EXACT_BITS) -> None:
        self.items, self.keys = data.items, None
        if data.users * data.items <= exact_bits:
            start = np.arange(data.users, dtype=np.int64) * data.items
            self.tables = [_Bits(data, start, data.users * data.items, device)]
        else:
            scattered = [_scattered(data.users, len(data.train), multiplier) for multiplier in MULTIPLIERS]
            self.tables = [_Bits(data, start, bits, device) for start, bits in scattered]
            # The sentinel makes every search land inside, also with no pairs at all.
            keys = np.append(data.train.keys(data.items), np.iinfo(np.int64).max)
            self.keys = torch.from_numpy(keys).to(device)
        self.indptr = torch.from_numpy(np.require(data.train.indptr, requirements="W")).to(device)
        self.of_users = torch.from_numpy(np.require(data.train.items, requirements="W")).to(device)

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        """Return bool[n, m] for ``users`` int64[n] and ``items`` int32 or int64[n, m]."""
        if self.keys is None:
            return self.tables[0](users, items.int()) != 0
        pairs = torch.add(items, users.unsqueeze(1), alpha=self.items)
        found = torch.searchsorted(self.keys, pairs)
        return self.keys.index_select(0, found.view(-1)).view_as(pairs) == pairs

    def positives(self, users: Tensor, items: Tensor) -> Tensor:
        """Return which of ``items`` int32[n, m] are training positives of ``users`` int64[n].

        Places in the flattened items, int64, rising. Where few are positives this is far faster than a test of each.
        """
        places = self.doubtful(users, items)
        if self.keys is None or len(places) == 0:
            return places
        owners, doubted = _at(places, users, items)
        return places.index_select(0, self(owners, doubted.unsqueeze(1)).view(-1).nonzero().view(-1))

    def doubtful(self, users: Tensor, items: Tensor) -> Tensor:
        """Return which (user, item) may be a training positive, as :meth:`positives`; the others are none.

        ``users`` int64[n], ``items`` int32[n] or [n, m].
        """
        first, *others = self.tables
        places = first(users, items).view(-1).nonzero().view(-1)
        for table in others:
            places = places.index_select(0, table(*_at(places, users, items)).nonzero().view(-1))
        return places

    def known(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Return all training positives of ``users`` int64[n]: rows (0..n-1) and items, int64, rows rising."""
        first = self.indptr.index_select(0, users)
        counts = self.indptr.index_select(0, users + 1) - first
        rows = torch.arange(len(users), device=users.device).repeat_interleave(counts)
        shift = (first - counts.cumsum(0) + counts).index_select(0, rows)
        place = torch.arange(len(rows), device=users.device).add_(shift)
        return rows, self.of_users.index_select(0, place).long()


def _at(places: Tensor, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Return the users and items at ``places`` of the flattened items."""
    owners = places if items.dim() == 1 else places // items.shape[1]
    return users.index_select(0, owners), items.view(-1).index_select(0, places)


def _scattered(users: int, pairs: int, multiplier: int) -> tuple[NDArray[np.int64], int]:
    """Return where each user starts in a shared table (multiplicative hashing), and the table's bits."""
    log = max(BITS_PER_PAIR * pairs - 1, 1).bit_length()
    log = min(log, MOST_BITS.bit_length() - 1)
    hashed = (np.arange(users, dtype=np.uint64) * np.uint64(multiplier)) >> np.uint64(64 - log)
    return hashed.astype(np.int64), 1 << log


def _words(places: NDArray[np.int64], bits: int) -> NDArray[np.int32]:
    words = np.zeros(bits // 32 + 1, np.uint32)
    np.bitwise_or.at(words, places >> 5, np.left_shift(np.uint32(1), (places & 31).astype(np.uint32)))
    return words.view(np.int32)
