"""The lists of all users as rows (user_id, rank, item_id, title, score) with the source's own ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from hnlm_ray.export.published import Ids, read_exported
from hnlm_ray.workspace import Workspace

SCHEMA: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
_ROWS_AT_ONCE: Final = 65_536


def recommendation_rows(workspace: Workspace) -> Iterator[pa.Table]:
    """Yield the published lists, bucket by bucket, some rows at a time.

    Raises
    ------
    WorkspaceError
        A table can't be read, or a run replaces it meanwhile.
    """
    ids = Ids.read(workspace)
    items = workspace.table("items").read(["item", "title"]).sort_by("item")
    titles = pa.concat_arrays([pa.array([], pa.string()), *items["title"].chunks])
    for rows in read_exported(workspace, "recommendations", ["user", "rank", "item", "score"]):
        for start in range(0, rows.num_rows, _ROWS_AT_ONCE):
            part = rows.slice(start, _ROWS_AT_ONCE)
            users, found = ids.users.take(part["user"]), ids.items.take(part["item"])
            columns = [users, part["rank"], found, titles.take(part["item"]), part["score"]]
            yield pa.table(columns, schema=SCHEMA)
