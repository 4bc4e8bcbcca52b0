"""Drawing exported negatives in a training loop of your own: PyTorch and Arrow, no Ray.

``hnlm export negatives`` writes rows (user, positive, negative, weight, source) with your own ids;
:class:`PoolNegatives` reads them, and :meth:`PoolNegatives.encoded` turns them into tensors of your own indices.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import torch
from torch import Tensor

from hnlm_ray.base.csv_text import unescaped
from hnlm_ray.base.errors import InputError

Fallback = Literal["none", "uniform"]
Ints = npt.NDArray[np.int64]
_COLUMNS: Final = {"user": pa.string(), "positive": pa.string(), "negative": pa.string(), "weight": pa.float32()}
NOT_FOUND: Final = -1
"""What stands for a pair's negative where it has none: an index that an embedding refuses."""


@dataclass(frozen=True, eq=False)
class EncodedNegatives:
    """Negatives by index, as tensors on one device.

    Attributes
    ----------
    keys
        int64[pairs], rising: ``user * items + positive`` of every pair that has a negative.
    first
        int64[pairs + 1]: the entries of pair p are ``first[p]`` to ``first[p + 1]``.
    negatives, cumulative
        int64[entries], and float64[entries + 1], the running total of the weights.
    users, items
        How many there are.
    unknown
        Entries left out because their user, positive or negative is not among your ids.
    """

    keys: Tensor
    first: Tensor
    negatives: Tensor
    cumulative: Tensor
    users: int
    items: int
    unknown: int

    def to(self, device: torch.device | str) -> EncodedNegatives:
        """Return the same on another device."""
        tensors = {name: getattr(self, name).to(device) for name in ("keys", "first", "negatives", "cumulative")}
        return replace(self, **tensors)

    def draw(
        self, users: Tensor, positives: Tensor, generator: torch.Generator | None = None, fallback: Fallback = "none"
    ) -> tuple[Tensor, Tensor]:
        """Draw one negative for each pair, in proportion to its weights.

        Parameters
        ----------
        users, positives
            int64[n], your indices, on this device.
        generator
            Of this device; none: torch's own.
        fallback
            What a pair without entry gets: 'none', :data:`NOT_FOUND`; 'uniform', any item but its positive (which
            may be another positive of the user: only your own data knows these).

        Returns
        -------
        int64[n], bool[n]
            The negatives, and which of them come from the pool.
        """
        low, high, found = self._entries(users, positives)
        before, total = self.cumulative[low], self.cumulative[high]
        uniform = torch.rand(len(users), generator=generator, device=users.device, dtype=torch.float64)
        entry = torch.searchsorted(self.cumulative, before + uniform * (total - before), right=True) - 1
        entry = torch.minimum(torch.maximum(entry, low), high - 1).clamp(min=0)
        drawn = self.negatives[entry] if len(self.negatives) else torch.full_like(users, NOT_FOUND)
        return torch.where(found, drawn, self._others(positives, generator, fallback)), found

    def _entries(self, users: Tensor, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the first entry of each pair and the one behind its last, and whether it has any."""
        if not len(self.keys):
            none = torch.zeros_like(users)
            return none, none, none.bool()
        wanted = users * self.items + positives
        place = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        inside = (positives >= 0) & (positives < self.items)  # else a key would be another pair's
        return self.first[place], self.first[place + 1], (self.keys[place] == wanted) & inside

    def _others(self, positives: Tensor, generator: torch.Generator | None, fallback: Fallback) -> Tensor:
        if fallback == "none":
            return torch.full_like(positives, NOT_FOUND)
        if self.items < 2:
            raise InputError("fallback 'uniform' needs another item than the positive, and there is one item alone")
        step = torch.randint(1, self.items, positives.shape, generator=generator, device=positives.device)
        return (positives + step) % self.items


@dataclass(frozen=True, eq=False)
class PoolNegatives:
    """Exported negatives by your own ids: ``rows`` has user, positive, negative (string) and weight (float32)."""

    rows: pa.Table

    @classmethod
    def read(cls, path: str) -> PoolNegatives:
        """Read a file of ``hnlm export negatives``, .parquet or .csv.

        Raises
        ------
        InputError
            When it can't be read, lacks a column, or a weight is not above 0.
        """
        if os.path.isdir(path):
            raise InputError(f"{path} can't be read as exported negatives (it is a folder): name the exported file")
        try:
            rows = _read_csv(path) if path.endswith(".csv") else pq.read_table(path, columns=list(_COLUMNS))
            rows = rows.select(list(_COLUMNS)).cast(pa.schema(list(_COLUMNS.items())))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:  # ValueError: no path of a file
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise InputError(f"{path} can't be read as exported negatives ({reason}): export them again") from error
        return cls(_checked(path, rows))

    def encoded(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> EncodedNegatives:
        """Return tensors of your own indices: an id's index is its place in these lists.

        Raises
        ------
        InputError
            When an id stands in a list twice.
        """
        users, items = _vocabulary(user_ids, "user_ids"), _vocabulary(item_ids, "item_ids")
        user, positive, negative = (
            _indices(self.rows[name], known)
            for name, known in (("user", users), ("positive", items), ("negative", items))
        )
        ours = np.flatnonzero((user >= 0) & (positive >= 0) & (negative >= 0))
        keys = user[ours] * len(items) + positive[ours]
        order = np.argsort(keys, kind="stable")
        pairs, first = np.unique(keys[order], return_index=True)
        weights = self.rows["weight"].to_numpy()[ours][order].astype(np.float64)
        return EncodedNegatives(
            keys=torch.from_numpy(pairs),
            first=torch.from_numpy(np.append(first, len(ours)).astype(np.int64)),
            negatives=torch.from_numpy(negative[ours][order]),
            cumulative=torch.from_numpy(np.concatenate([[0.0], np.cumsum(weights)])),
            users=len(users),
            items=len(items),
            unknown=self.rows.num_rows - len(ours),
        )

    @cached_property
    def _own(self) -> tuple[pa.Array, pa.Array, EncodedNegatives]:
        """The file's users and items, and the negatives by their places."""
        users = pc.unique(self.rows["user"])
        items = pc.unique(pa.chunked_array([*self.rows["positive"].chunks, *self.rows["negative"].chunks], pa.string()))
        return users, items, self.encoded(users, items)

    def sample(
        self, users: Sequence[str], positives: Sequence[str], generator: torch.Generator | None = None
    ) -> tuple[list[str | None], npt.NDArray[np.bool_]]:
        """Draw one negative for each (user, positive), in proportion to its weights, all by your own ids.

        Returns
        -------
        list of n ids, bool[n]
            None and False for a pair without entry: what is drawn for it is your decision.
        """
        known_users, known_items, encoded = self._own
        user = torch.from_numpy(_indices(pa.array(list(users), pa.string()), known_users))
        positive = torch.from_numpy(_indices(pa.array(list(positives), pa.string()), known_items))
        drawn, found = encoded.draw(user, positive, generator)
        taken = known_items.take(pa.array(drawn.numpy(), mask=~found.numpy()))
        return taken.to_pylist(), found.numpy()


def _read_csv(path: str) -> pa.Table:
    convert = pacsv.ConvertOptions(column_types=_COLUMNS, include_columns=list(_COLUMNS))
    rows = pacsv.read_csv(path, parse_options=pacsv.ParseOptions(newlines_in_values=True), convert_options=convert)
    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            rows = rows.set_column(place, field, unescaped(rows[field.name]))
    return rows


def _checked(path: str, rows: pa.Table) -> pa.Table:
    if any(rows[name].null_count for name in _COLUMNS):
        raise InputError(f"{path} has rows without a user, positive, negative or weight: export them again")
    weights = rows["weight"].to_numpy()
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise InputError(f"{path} has a weight that is not above 0: export them again")
    return rows


def _vocabulary(ids: Sequence[str] | pa.Array, name: str) -> pa.Array:
    known = ids if isinstance(ids, pa.Array) else pa.array([str(one) for one in ids], pa.string())
    if len(pc.unique(known)) != len(known):
        twice = next(entry["values"] for entry in pc.value_counts(known).to_pylist() if entry["counts"] > 1)
        raise InputError(f"{name} has {twice[:60]!r} twice: an id's index is its place, so name each once")
    return known


def _indices(ids: pa.Array | pa.ChunkedArray, known: pa.Array) -> Ints:
    found: Ints = pc.fill_null(pc.index_in(ids, value_set=known), NOT_FOUND).to_numpy().astype(np.int64)
    return found
