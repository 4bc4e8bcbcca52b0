"""Positives by ranges of users, one row a pair: the driver's side, which holds references and not rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, index, kcore, tasks
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare.raw_parts import RawPart
from hnlm_ray.prepare.workers import Workers

Refs = list[ray.ObjectRef]
_RANGE_BYTES = 32 * 2**20
"""Of the rows of a range, duplicates included: a task holds a few times as much."""


@dataclass(frozen=True)
class Ranges:
    """All pairs, and the vocabulary that their codes are of.

    Attributes
    ----------
    user_ids, item_ids
        The vocabulary, in the order of the ids' bytes.
    bounds
        Code of the first user of each range, and the number of users.
    pairs
        Each range's rows, sorted by (user, item): columns of :func:`hnlm_ray.prepare.blocks.encode`.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    bounds: npt.NDArray[np.int64]
    pairs: Refs

    def each(self) -> list[tuple[ray.ObjectRef, int, int]]:
        """Return each range's rows, its first user and its end."""
        firsts, ends = self.bounds[:-1].tolist(), self.bounds[1:].tolist()
        return list(zip(self.pairs, firsts, ends, strict=True))

    def kept_users(self, stay: kcore.Mask) -> list[blocks.KeptUsers]:
        """Return who stays of each range, given by a mask over all users."""
        number, kept = 0, []
        for _, first, end in self.each():
            ids = self.user_ids.slice(first, end - first).filter(pa.array(stay[first:end]))
            kept.append(blocks.KeptUsers(first, end, stay[first:end], ids, number))
            number += len(ids)
        return kept


def unique_pairs(parts: Sequence[RawPart], config: PrepareConfig, workers: Workers, counts: dict[str, int]) -> Ranges:
    """Read the positives, number their ids, and bring the rows of each range of users together, one a pair.

    Raises
    ------
    InputError
        When a rule asks for values that the rows don't have.
    """
    encoded = [workers.submit(tasks.encode, part, config, returns=2) for part in parts]
    found: list[blocks.Found] = list(workers.phase([note for note, _ in encoded]))
    tally = positive_filter.total(note.tally for note in found)
    positive_filter.check(tally, config)
    counts |= {"rows": tally.rows, "below_rating": tally.below_rating, "outside_window": tally.outside_window}
    user_ids, users = index.vocabulary([note.users for note in found])
    item_ids, items = index.vocabulary([note.items for note in found])
    bounds = _bounds(len(user_ids), sum(note.bytes for note in found))
    scattered = _scattered([rows for _, rows in encoded], users, items, bounds, workers)
    del encoded
    return Ranges(user_ids, item_ids, bounds, _unique(scattered, workers, counts))


def _bounds(users: int, size: int) -> npt.NDArray[np.int64]:
    """Cut the users into ranges of as many users each."""
    ranges = min(max(1, -(-size // _RANGE_BYTES)), max(1, users))
    return np.linspace(0, users, ranges + 1).astype(np.int64)


def _scattered(
    rows: Refs, users: list[blocks.Codes], items: list[blocks.Codes], bounds: npt.NDArray[np.int64], workers: Workers
) -> list[Refs]:
    """Divide each part by ranges; return the pieces of each part."""
    ranges = len(bounds) - 1
    pieces = [
        workers.submit(tasks.scatter, part, *codes, bounds, returns=ranges)
        for part, *codes in zip(rows, users, items, strict=True)
    ]
    return [piece if ranges > 1 else [piece] for piece in pieces]


def _unique(scattered: list[Refs], workers: Workers, counts: dict[str, int]) -> Refs:
    joined = []
    while scattered[0]:  # the last reference to a piece goes with its task, and with it the piece's memory
        joined.append(workers.submit(tasks.unique, *(pieces.pop(0) for pieces in scattered), returns=2))
    for note in workers.phase([note for note, _ in joined]):
        for name, value in note.items():
            counts[name] = counts.get(name, 0) + value
    return [rows for _, rows in joined]
