"""The negative pool as rows (user, positive, negative, weight, source) with the source's own ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.export.published import Ids, read_exported
from hnlm_ray.workspace import Workspace

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
    ids = Ids.read(workspace)
    for rows in read_exported(workspace, "negative_pool", _COLUMNS):
        for start in range(0, rows.num_rows, _PAIRS_AT_ONCE):
            yield exported_rows(rows.slice(start, _PAIRS_AT_ONCE), ids)


def count_sources(rows: pa.Table) -> Counter[str]:
    """Return how many rows each source has."""
    counted: list[dict[str, Any]] = pc.value_counts(rows["source"]).to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counted})
