"""The negative pool as rows (user, positive, negative, weight, source) with the source's own ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.errors import WorkspaceError
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.folder import first_line

SCHEMA: Final = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("positive", pa.string(), nullable=False),
        pa.field("negative", pa.string(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""``source``: the pair's origin and how the item was found, such as 'own/exact', 'own/nearest', 'borrowed/exact'."""
_PAIRS_AT_ONCE = 16_384
_COLUMNS = ["user", "item", "origin", "negatives", "weights", "sources", "vector_lender"]


@dataclass(frozen=True, eq=False)
class Ids:
    """The source's ids by dense index, string[users] and string[items]."""

    users: pa.Array
    items: pa.Array

    @classmethod
    def read(cls, workspace: Workspace) -> Ids:
        """Read both vocabularies."""
        return cls(_ids(workspace, "users", "user"), _ids(workspace, "items", "item"))


def _ids(workspace: Workspace, table: str, key: str) -> pa.Array:
    rows = workspace.table(table).read([key, f"{key}_id"]).sort_by(key)
    if rows[key].to_pylist() != list(range(rows.num_rows)):
        raise WorkspaceError(f"table '{table}' in {workspace.uri} is damaged (indices have gaps): run stage prepare")
    return pa.concat_arrays([pa.array([], pa.string()), *rows[f"{key}_id"].chunks])


def exported_rows(pool: pa.Table, ids: Ids) -> pa.Table:
    """Return one row for each negative of some rows of ``negative_pool``, in their order; fallback pairs have none."""
    lists = {name: pool[name].combine_chunks() for name in ("negatives", "weights", "sources")}
    pair = pc.list_parent_indices(lists["negatives"])
    how = pc.list_flatten(lists["sources"])
    lent = pc.if_else(pc.is_null(pool["vector_lender"].take(pair)), "own", "borrowed")
    origin = pc.if_else(pc.equal(how, "embedding"), lent, pool["origin"].take(pair))  # the vector's own lender
    found = pc.binary_join_element_wise(origin, how, "/")
    columns = [
        ids.users.take(pool["user"].take(pair)),
        ids.items.take(pool["item"].take(pair)),
        ids.items.take(pc.list_flatten(lists["negatives"])),
        pc.list_flatten(lists["weights"]),
        found,
    ]
    return pa.table(columns, schema=SCHEMA)


def pool_rows(workspace: Workspace) -> Iterator[pa.Table]:
    """Yield the exported rows of the published pool, bucket by bucket, some pairs at a time.

    Raises
    ------
    WorkspaceError
        A table can't be read, or a run replaces it meanwhile.
    """
    store, ids = workspace.table("negative_pool"), Ids.read(workspace)
    for file in store.published().files:
        try:
            rows = store.read_parts([file], _COLUMNS)
        except (pa.ArrowException, OSError) as error:
            raise WorkspaceError(
                f"{file.path} of the negative pool can't be read ({first_line(error)}): "
                "if a run is replacing it, export after it, else run `hnlm run`"
            ) from error
        for start in range(0, rows.num_rows, _PAIRS_AT_ONCE):
            yield exported_rows(rows.slice(start, _PAIRS_AT_ONCE), ids)


def count_sources(rows: pa.Table) -> Counter[str]:
    """Return how many rows each source has."""
    counted: list[dict[str, Any]] = pc.value_counts(rows["source"]).to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counted})
