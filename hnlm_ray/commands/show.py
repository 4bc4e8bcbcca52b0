"""``hnlm show user|item ID``: everything the run knows about one of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow.compute as pc
import pyarrow.dataset as pads

from hnlm_ray.commands.output import Output
from hnlm_ray.commands.portrait import show_item, show_user
from hnlm_ray.errors import InputError, WorkspaceError
from hnlm_ray.workspace import Workspace

Kind = Literal["user", "item"]
Row = dict[str, Any]
_PROFILE = ("status", "error", "summary", "reasoning", "attempts", "model", "prompt_version")
_ITEM = ("item", "item_id", "title")
_CLOSE = 3


def report(kind: Kind, wanted: str, workspace: Workspace, output: Output, *, by_index: bool) -> None:
    """Print one user or item.

    Raises
    ------
    InputError
        When there is none of that id; the sentence names close ones.
    WorkspaceError
        When the data has not been prepared yet.
    """
    index = find_index(kind, wanted, workspace, by_index=by_index)
    if kind == "user":
        user = describe_user(workspace, index)
        output.emit(user, lambda console: show_user(console, user))
    else:
        item = describe_item(workspace, index)
        output.emit(item, lambda console: show_item(console, item))


def find_index(kind: Kind, wanted: str, workspace: Workspace, *, by_index: bool) -> int:
    """Return the dense index of a user or item, by the source's own id or by the index itself."""
    if not published(workspace, f"{kind}s"):
        raise WorkspaceError(f"no {kind}s are prepared in {workspace.uri} yet: run `hnlm run` with the same options")
    table = workspace.table(f"{kind}s").read([kind, f"{kind}_id"])
    ids = table[f"{kind}_id"].to_pylist()
    if by_index:
        if not wanted.isdigit() or int(wanted) >= len(ids):
            raise InputError(f"there is no {kind} with index '{wanted}': indices go from 0 to {len(ids) - 1}")
        return int(wanted)
    if wanted not in ids:
        raise InputError(f"there is no {kind} '{wanted}'{_close_ids(wanted, ids)}")
    return int(table[kind][ids.index(wanted)].as_py())


def _close_ids(wanted: str, ids: Sequence[str]) -> str:
    near = difflib.get_close_matches(wanted, ids, n=_CLOSE, cutoff=0.5) or list(ids[:_CLOSE])
    return f": close ids are {', '.join(repr(name) for name in near)} (--index takes an index)"


def published(workspace: Workspace, table: str) -> bool:
    """Tell whether a table can be read."""
    store = workspace.table(table)
    manifest = store.manifest()
    return manifest is not None and store.intact(manifest)


def rows_where(workspace: Workspace, table: str, **values: int) -> list[Row]:
    """Return a published table's rows with these values, reading no others; none where it is not published."""
    store = workspace.table(table)
    if not published(workspace, table) or not store.paths():
        return []
    condition = pc.scalar(True)  # noqa: FBT003  pyarrow's name for "all rows"
    for column, value in values.items():
        condition = condition & (pc.field(column) == value)
    found = pads.dataset(store.paths(), schema=store.schema, format="parquet", filesystem=store.filesystem)
    rows: list[Row] = found.to_table(filter=condition).to_pylist()
    return rows


def describe_user(workspace: Workspace, user: int) -> Row:
    """Return a user's training items, profile, semantic negatives and pool."""
    items = _items(workspace)
    seen = rows_where(workspace, "interactions", user=user)
    pool = {row["item"]: row for row in rows_where(workspace, "negative_pool", user=user) if row["origin"] == "own"}
    return {
        "user": user,
        "user_id": rows_where(workspace, "users", user=user)[0]["user_id"],
        "profile": _profile(workspace, "user_profiles", user=user),
        "history": [
            {**items[row["item"]], "rating": row["rating"], "timestamp": row["timestamp"]}
            for row in sorted(seen, key=lambda row: (-(row["timestamp"] or 0), row["item"]))
            if row["split"] == "train"
        ],
        "held_out": {split: sum(row["split"] == split for row in seen) for split in ("validation", "test")},
        "semantic_negatives": [
            _negative(row, items, pool) for row in rows_where(workspace, "semantic_negatives", user=user)
        ],
    }


def _negative(row: Row, items: dict[int, Row], pool: Mapping[int, Row]) -> Row:
    own = pool.get(row["item"], {"negatives": (), "sources": (), "weights": ()})
    ranked = zip(own["negatives"], own["sources"], own["weights"], strict=True)
    grounded = [{**items[item], "source": source, "weight": weight} for item, source, weight in ranked]
    told = {name: row[name] for name in ("negative", "reasoning", "status", "error")}
    return {"positive": items[row["item"]], **told, "grounded": grounded}


def describe_item(workspace: Workspace, item: int) -> Row:
    """Return an item's facts and profile, and how often it is trained on and served as a negative."""
    row = rows_where(workspace, "items", item=item)[0]
    seen = rows_where(workspace, "interactions", item=item)
    return {
        **row,
        "attributes": dict(row["attributes"] or ()),
        "profile": _profile(workspace, "item_profiles", item=item),
        "training_users": sum(entry["split"] == "train" for entry in seen),
        "hard_negative_for": _served(workspace, item),
    }


def _served(workspace: Workspace, item: int) -> dict[str, int]:
    """Count the pairs, and their users, that have an item in their pool."""
    if not published(workspace, "negative_pool"):
        return {"pairs": 0, "users": 0}
    pool = workspace.table("negative_pool").read(["user", "negatives"]).combine_chunks()
    hits = pc.equal(pc.list_flatten(pool["negatives"]), item)
    pairs = pc.unique(pc.list_parent_indices(pool["negatives"]).filter(hits))
    return {"pairs": len(pairs), "users": len(pc.unique(pool["user"].take(pairs)))}


def _profile(workspace: Workspace, table: str, **key: int) -> Row | None:
    rows = rows_where(workspace, table, **key)
    return {name: rows[0][name] for name in _PROFILE} if rows else None


def _items(workspace: Workspace) -> dict[int, Row]:
    return {row["item"]: row for row in workspace.table("items").read(list(_ITEM)).to_pylist()}
