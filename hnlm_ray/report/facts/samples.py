"""A few profiles and negatives, drawn by seed: some that went well and some that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from hnlm_ray.workspace.shown_tables import ShownTables

Facts = dict[str, Any]
Titles = Mapping[int, str]
_GOOD, _FAILED, _NEGATIVES = 3, 2, 5
_PROFILE = ("status", "error", "summary", "reasoning", "model", "prompt_version")
VERDICTS: Final = {
    "exact": "the text is an item's title",
    "fuzzy": "an item's title is much like the text",
    "nearest": "the text names no item to be used; this one's description is nearest to it by their vectors",
    "ungrounded": "no item of the catalogue is near enough",
    "training_positive": "it names an item that the user likes, and nothing else is near",
}


def sample_facts(tables: ShownTables, seed: int) -> Facts:
    """Return samples of both kinds of profiles and of negatives; an empty list where a table is not there."""
    titles = item_titles(tables)
    return {
        "items": [
            {"title": titles.get(row["item"], ""), **_told(row)} for row in _profiles(tables, "item_profiles", seed)
        ],
        "users": [
            {"user": row["user"], "user_id": _user_id(tables, row["user"]), **_told(row)}
            for row in _profiles(tables, "user_profiles", seed)
        ],
        "negatives": [_negative(tables, titles, row) for row in _negatives(tables, seed)],
        "verdicts": VERDICTS,
    }


def item_titles(tables: ShownTables) -> dict[int, str]:
    """Return each item's title, or its id where it has none; empty before the items are there."""
    if not tables.readable("items"):
        return {}
    rows = tables.read("items", ["item", "item_id", "title"]).to_pylist()
    return {row["item"]: row["title"] or row["item_id"] for row in rows}


def _user_id(tables: ShownTables, user: int) -> str:
    rows = tables.rows_where("users", user=user)
    return str(rows[0]["user_id"]) if rows else ""


def _told(row: Mapping[str, Any]) -> Facts:
    return {name: row[name] for name in _PROFILE}


def _profiles(tables: ShownTables, table: str, seed: int) -> list[Facts]:
    key = table.removesuffix("_profiles")
    drawn = _drawn(tables, table, [key], seed, good=_GOOD)
    return [row for keys in drawn for row in tables.rows_where(table, **keys)]


def _negatives(tables: ShownTables, seed: int) -> list[Facts]:
    drawn = _drawn(tables, "semantic_negatives", ["user", "item"], seed, good=_NEGATIVES)
    return [row for keys in drawn for row in tables.rows_where("semantic_negatives", **keys)]


def _drawn(tables: ShownTables, table: str, keys: list[str], seed: int, *, good: int) -> list[dict[str, int]]:
    """Draw the keys of rows that are ok and of rows that are not."""
    if not tables.readable(table):
        return []
    rows = tables.read(table, [*keys, "status"])
    rng = np.random.default_rng(seed)
    is_ok = pc.equal(rows["status"], "ok")
    found = []
    for part, most in ((rows.filter(is_ok), good), (rows.filter(pc.invert(is_ok)), _FAILED)):
        places = np.sort(rng.choice(part.num_rows, min(most, part.num_rows), replace=False))
        found += part.select(keys).take(places).to_pylist()
    return found


def _negative(tables: ShownTables, titles: Titles, row: Mapping[str, Any]) -> Facts:
    pools = tables.rows_where("negative_pool", user=row["user"], item=row["item"])
    pool = pools[0] if pools else None
    return {
        "user_id": _user_id(tables, row["user"]),
        "positive": titles.get(row["item"], ""),
        **{name: row[name] for name in ("negative", "reasoning", "status", "error")},
        "verdict": pool and pool["verdict"],
        "grounded": [] if pool is None or pool["origin"] != "own" else grounded(pool, titles),
    }


def grounded(pool: Mapping[str, Any], titles: Titles) -> list[Facts]:
    """Return the catalogue items of a pool row, each with its source and weight."""
    ranked = zip(pool["negatives"], pool["sources"], pool["weights"], strict=True)
    return [
        {"title": titles.get(item, ""), "source": source, "weight": float(weight)} for item, source, weight in ranked
    ]
