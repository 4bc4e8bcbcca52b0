"""The teacher's vectors: matrices in index order, and the two tables that hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS, TABLES

Matrix = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_MOST_VALUES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors by dense index: ``matrix`` float32[n, k], ``there`` bool[n]; a row that isn't there is zeros."""

    matrix: Matrix
    there: Mask

    @property
    def missing(self) -> int:
        """How many rows have no vector."""
        return len(self.there) - int(self.there.sum())


def vector_rows(name: str, index: Ints, vectors: Vectors) -> pa.Table:
    """Return the rows of ``teacher_users`` or ``teacher_items`` for some indices; null where none is there.

    Raises
    ------
    InputError
        When the rows hold more than 2^31 - 1 numbers: one Arrow list column can't.
    """
    schema = TABLES[name]
    there, width = vectors.there[index], vectors.matrix.shape[1]
    offsets = np.concatenate([[0], np.cumsum(np.where(there, width, 0))])
    if offsets[-1] > _MOST_VALUES:
        raise InputError(
            f"{len(index)} vectors of length {width} are too many for one part of {name}: raise prepare.buckets"
        )
    values = pa.array(vectors.matrix[index[there]].ravel())
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=pa.array(~there))
    return pa.table([pa.array(index, pa.int32()), lists], schema=schema)


def vectors_by_key(name: str, rows: pa.Table, size: int) -> Vectors:
    """Return the vectors of some rows at their keys' places among 0..size-1, whatever the order of the rows."""
    keys = rows[KEYS[name][0]].to_numpy().astype(np.int64)
    column = rows["vector"].combine_chunks()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    width = len(flat) // max(int(valid.sum()), 1)
    vectors = Vectors(np.zeros((size, width), np.float32), np.zeros(size, bool))
    vectors.matrix[keys[valid]] = flat.reshape(-1, width) if width else 0
    vectors.there[keys[valid]] = True
    return vectors


def read_vectors(workspace: Workspace, name: str) -> Vectors:
    """Read ``teacher_users`` or ``teacher_items`` whole, in index order.

    The rows of ``teacher_users`` are stored by bucket of users, so a row's place in the table is not its index.
    """
    rows = workspace.table(name).read()
    return vectors_by_key(name, rows, rows.num_rows)
