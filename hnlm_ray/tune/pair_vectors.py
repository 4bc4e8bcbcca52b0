"""The pool's vectors as arrays: one row a distinct vector, however many pairs borrow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.cf import PairVectors, Positives
from hnlm_ray.errors import InputError
from hnlm_ray.teacher.vectors import read_vectors
from hnlm_ray.workspace import TableStore, Workspace

Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]


def load_pair_vectors(workspace: Workspace, train: Positives, n_items: int) -> PairVectors | None:
    """Read the vectors of the training pairs, float16, and the teacher's items as unit anchors; none: no pair has one.

    InputError where a pair borrows a vector that isn't there.
    """
    store = workspace.table("negative_pool")
    read = (_columns(store, index) for index in range(len(store.paths())))
    parts = [columns for columns in read if len(columns["user"])]
    if not parts:
        return None
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    users, items, rows = _lent(columns, n_items)
    anchors, anchored = _anchors(workspace)
    vectors = columns["vectors"]
    return PairVectors.from_rows(
        train, users, items, rows, vectors, n_items=n_items, anchors=anchors, anchored=anchored
    )


def _columns(store: TableStore, index: int) -> Columns:
    """Read the pairs of one file that have a vector; a borrowed one is left where it is lent."""
    rows = store.read_file(index, ["user", "item", "vector", "vector_lender"])
    rows = rows.filter(rows["vector"].is_valid())
    own = rows["vector_lender"].is_null()
    width = pc.max(pc.list_value_length(rows["vector"])).as_py() or 0
    flat = pc.list_flatten(rows["vector"].filter(own)).to_numpy()
    return {
        "user": _ints(rows["user"]),
        "item": _ints(rows["item"]),
        "lender": _ints(pc.coalesce(rows["vector_lender"], rows["item"])),
        "own": own.to_numpy(),
        "vectors": flat.reshape(-1, width) if width else np.zeros((0, 0), np.float16),
    }


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)


def _lent(columns: Columns, n_items: int) -> tuple[Ints, Ints, Ints]:
    """Return user, item and row of ``vectors`` of each pair that has one, its own or its lender's."""
    users, items = columns["user"], columns["item"]
    own = (users * n_items + items)[columns["own"]]
    order = np.argsort(own)
    wanted = users * n_items + columns["lender"]
    place = np.minimum(np.searchsorted(own, wanted, sorter=order), len(own) - 1)
    rows = order[place]
    if (missing := int((own[rows] != wanted).sum())) > 0:
        raise InputError(
            f"{missing} pairs borrow a vector that isn't there: delete tables/negative_pool in the workspace, run again"
        )
    return users, items, rows


def _anchors(workspace: Workspace) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the teacher's items at unit length, float32[items, k], and which items have one."""
    teacher = read_vectors(workspace, "teacher_items")
    lengths: NDArray[np.float32] = np.linalg.norm(teacher.matrix, axis=1, keepdims=True)
    anchored = teacher.there & (lengths[:, 0] > 0)
    unit = np.divide(teacher.matrix, lengths, out=np.zeros_like(teacher.matrix), where=lengths > 0)
    return unit, anchored
