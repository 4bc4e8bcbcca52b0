"""The tables ``model_users`` and ``model_items``: vectors of the model that recommends, and what each rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.workspace import TableStore, Workspace
from hnlm_ray.workspace.tables import KEYS, TABLES

Matrix = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
_MOST_VALUES: Final = 2**31 - 1


@dataclass(frozen=True, eq=False)
class ModelRows:
    """Some rows of a model: ``index`` int64[n], ``matrix`` float32[n, d], ``positives`` int64[n] trained on."""

    index: Ints
    matrix: Matrix
    positives: Ints

    def part(self, start: int, stop: int) -> ModelRows:
        """Return a range of the rows."""
        return ModelRows(self.index[start:stop], self.matrix[start:stop], self.positives[start:stop])

    @property
    def cold(self) -> npt.NDArray[np.bool_]:
        """Which rows no positive shaped, bool[n]: their vectors say nothing."""
        cold: npt.NDArray[np.bool_] = self.positives == 0
        return cold


def model_table(name: str, rows: ModelRows) -> pa.Table:
    """Return the rows of ``model_users`` or ``model_items``.

    Raises
    ------
    InputError
        When they hold more than 2^31 - 1 numbers: one Arrow list column can't.
    """
    size, width = rows.matrix.shape
    if size * width > _MOST_VALUES:
        raise InputError(f"{size} vectors of length {width} are too many for one part of {name}: raise prepare.buckets")
    offsets = pa.array(np.arange(size + 1, dtype=np.int32) * np.int32(width))
    vectors = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows.matrix).ravel()))
    columns = [pa.array(rows.index, pa.int32()), vectors, pa.array(rows.positives, pa.int32())]
    return pa.table(columns, schema=TABLES[name])


def model_rows(name: str, table: pa.Table) -> ModelRows:
    """Return a table's rows as arrays, in the order of the table."""
    flat = pc.list_flatten(table["vector"].combine_chunks()).to_numpy(zero_copy_only=False)
    width = len(flat) // max(table.num_rows, 1)
    index, positives = (table[column].to_numpy().astype(np.int64) for column in (KEYS[name][0], "positives"))
    return ModelRows(index, flat.reshape(table.num_rows, width), positives)


def read_items(workspace: Workspace) -> ModelRows:
    """Read the published ``model_items``, in index order."""
    return model_rows("model_items", workspace.table("model_items").read().sort_by("item"))


def read_bucket(store: TableStore, bucket: int) -> ModelRows:
    """Read one published file of ``model_users``: its users rise."""
    return model_rows("model_users", store.read_file(bucket))


def seen_pairs(workspace: Workspace, bucket: int, users: Ints, *, all_seen: bool) -> tuple[Ints, Ints]:
    """Return (row, item) of what some users of a bucket have seen; row counts within ``users``, which rise.

    With ``all_seen`` false held-out positives are left out: the model has not been trained on them.
    """
    table = workspace.table("interactions").read_file(bucket, ["user", "item", "split"])
    if not all_seen:
        table = table.filter(pc.equal(table["split"], "train"))
    user, item = (table[name].to_numpy().astype(np.int64) for name in ("user", "item"))
    row = np.minimum(np.searchsorted(users, user), len(users) - 1)
    ours = users[row] == user
    return row[ours], item[ours]
