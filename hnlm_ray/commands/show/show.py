"""``hnlm show user|item ID``: everything the run knows about one of them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Literal

import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import named, redacted
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.show.show_text import show_item, show_user
from hnlm_ray.evidence.answers import WORDS
from hnlm_ray.negatives.grounding import SOURCE
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.shown_tables import Row, ShownTables

Kind = Literal["user", "item"]
_PROFILE = ("status", "error", "summary", "reasoning", "attempts", "model", "prompt_version")
_ITEM = ("item", "item_id", "title")
_ORIGINS = ("own", "borrowed", "fallback")
_CLOSE = 3
_ABOUT: Mapping[Kind, Sequence[str]] = {
    "user": ("reviews", "user_profiles", "judgements", "semantic_negatives", "negative_pool", "recommendations"),
    "item": ("item_profiles", "negative_pool", "recommendations"),
}


def report(kind: Kind, wanted: str, workspace: Workspace, output: Output, *, by_index: bool) -> None:
    """Print one user or item.

    Raises
    ------
    InputError
        When there is none of that id; the sentence names close ones.
    WorkspaceError
        When the data has not been prepared yet, or was made from other data than is there now.
    """
    tables = ShownTables.open(workspace)
    index = find_index(kind, wanted, tables, by_index=by_index)
    describe = describe_user if kind == "user" else describe_item
    try:
        shown = {**describe(tables, index), "left_out": tables.outdated(_ABOUT[kind])}
    except LookupError as error:
        raise WorkspaceError(
            f"the tables in {redacted(workspace.uri)} are damaged, they name what is not in them ({named(error)}): "
            "remove its folder tables, then run `hnlm run`"
        ) from error
    show = show_user if kind == "user" else show_item
    output.emit(shown, lambda console: show(console, shown))


def find_index(kind: Kind, wanted: str, tables: ShownTables, *, by_index: bool) -> int:
    """Return the dense index of a user or item, by the source's own id or by the index itself."""
    table = tables.read(f"{kind}s", [kind, f"{kind}_id"])
    ids = table[f"{kind}_id"].to_pylist()
    if by_index:
        if not wanted.isdigit() or int(wanted) >= len(ids):
            raise InputError(f"there is no {kind} with index '{wanted}': indices go from 0 to {len(ids) - 1}")
        return int(wanted)
    if wanted not in ids:
        raise InputError(f"{no_such(kind, wanted, ids)} (--index takes an index)")
    return int(table[kind][ids.index(wanted)].as_py())


def no_such(kind: Kind, wanted: str, ids: Sequence[str]) -> str:
    """Say that an id is not among ``ids``, naming close ones."""
    near = difflib.get_close_matches(wanted, ids, n=_CLOSE, cutoff=0.5) or list(ids[:_CLOSE])
    return f"there is no {kind} '{wanted}': close ids are {', '.join(repr(name) for name in near)}"


def describe_user(tables: ShownTables, user: int) -> Row:
    """Return a user's training items, profile, semantic negatives, pool and recommendations.

    A negative that is a held-out positive of the user is marked as a false negative.
    """
    items = _items(tables)
    seen = tables.rows_where("interactions", user=user)
    said = {row["item"]: row["text"] for row in tables.rows_where("reviews", user=user)}
    held_out = {row["item"] for row in seen if row["split"] != "train"}
    pool = {row["item"]: row for row in tables.rows_where("negative_pool", user=user)}
    named = tables.rows_where("semantic_negatives", user=user)
    return {
        "user": user,
        "user_id": tables.rows_where("users", user=user)[0]["user_id"],
        "profile": _profile(tables, "user_profiles", user=user),
        "history": [
            {
                **items[row["item"]],
                "rating": row["rating"],
                "timestamp": row["timestamp"],
                "review": said.get(row["item"]),
            }
            for row in sorted(seen, key=lambda row: (-(row["timestamp"] or 0), row["item"]))
            if row["split"] == "train"
        ],
        "held_out": {split: sum(row["split"] == split for row in seen) for split in ("validation", "test")},
        "judgements": [
            judged for row in tables.rows_where("judgements", user=user) for judged in _judged(row, items, held_out)
        ],
        "semantic_negatives": [_negative(row, items, pool, held_out) for row in named],
        "vector_negatives": [
            {"positive": items[item], "grounded": _grounded(row, items, held_out)}
            for item, row in sorted(pool.items())
            if _has_own_vector(row) and item not in {text["item"] for text in named}
        ],
        "pool": {origin: sum(row["origin"] == origin for row in pool.values()) for origin in _ORIGINS},
        "recommendations": [
            {"rank": row["rank"], **items[row["item"]], "score": row["score"]}
            for row in sorted(tables.rows_where("recommendations", user=user), key=lambda row: int(row["rank"]))
        ],
    }


def _judged(row: Row, items: dict[int, Row], held_out: Collection[int]) -> list[Row]:
    """Return the candidates of a user, each with its verdict where it has one."""
    told = zip_longest(row["candidates"], row["verdicts"] or (), row["reasons"] or ())
    return [
        {**items[item], "verdict": WORDS.get(verdict), "reason": reason, "held_out": item in held_out}
        for item, verdict, reason in told
    ]


def _negative(row: Row, items: dict[int, Row], pool: Mapping[int, Row], held_out: Collection[int]) -> Row:
    told = {name: row[name] for name in ("negative", "reasoning", "status", "error")}
    own = pool.get(row["item"])
    return {
        "positive": items[row["item"]],
        **told,
        "verdict": None if own is None else own["verdict"],
        "grounded": [] if own is None else _grounded(own, items, held_out),
    }


def _grounded(row: Row, items: dict[int, Row], held_out: Collection[int]) -> list[Row]:
    """Return the catalogue items of a pair's own text and of its own vector; what it borrowed is left out."""
    ranked = zip(row["negatives"], row["sources"], row["weights"], strict=True)
    return [
        {**items[item], "source": source, "weight": weight, "false_negative": item in held_out}
        for item, source, weight in ranked
        if (_has_own_vector(row) if source == SOURCE else row["origin"] == "own")
    ]


def _has_own_vector(row: Row) -> bool:
    return row["vector"] is not None and row["vector_lender"] is None


def describe_item(tables: ShownTables, item: int) -> Row:
    """Return an item's facts and profile, and how often it is trained on and served as a negative."""
    row = tables.rows_where("items", item=item)[0]
    seen = tables.rows_where("interactions", item=item)
    return {
        **row,
        "attributes": dict(row["attributes"] or ()),
        "profile": _profile(tables, "item_profiles", item=item),
        "training_users": sum(entry["split"] == "train" for entry in seen),
        "hard_negative_for": _served(tables, item),
        "recommended_to": len(tables.rows_where("recommendations", item=item)),
    }


def _served(tables: ShownTables, item: int) -> dict[str, int]:
    """Count the pairs, and their users, that have an item in their pool."""
    if not tables.readable("negative_pool"):
        return {"pairs": 0, "users": 0}
    pool = tables.read("negative_pool", ["user", "negatives"]).combine_chunks()
    hits = pc.equal(pc.list_flatten(pool["negatives"]), item)
    pairs = pc.unique(pc.list_parent_indices(pool["negatives"]).filter(hits))
    return {"pairs": len(pairs), "users": len(pc.unique(pool["user"].take(pairs)))}


def _profile(tables: ShownTables, table: str, **key: int) -> Row | None:
    rows = tables.rows_where(table, **key)
    return {name: rows[0][name] for name in _PROFILE} if rows else None


def _items(tables: ShownTables) -> dict[int, Row]:
    return {row["item"]: row for row in tables.read("items", list(_ITEM)).to_pylist()}
