"""The only door through which LLM stages see interactions: training rows, one bucket of users at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UserHistory:
    """A user's training items, the latest first (by time where there is one, else by item index)."""

    user: int
    items: tuple[int, ...]


def training_rows(workspace: Workspace, bucket: int) -> pa.Table:
    """Read a bucket's training interactions; validation and test rows are dropped as they are read."""
    table = workspace.table("interactions").read_file(bucket)
    return table.filter(pc.equal(table["split"], "train")).drop_columns(["split"])


def user_reviews(workspace: Workspace, bucket: int) -> dict[tuple[int, int], str]:
    """Return what a bucket's users wrote of their training items, by (user, item)."""
    rows = workspace.table("reviews").read_file(bucket)
    users, items, texts = (rows[name].to_pylist() for name in ("user", "item", "text"))
    return dict(zip(zip(users, items, strict=True), texts, strict=True))


def item_reviews(workspace: Workspace, first: int, last: int, most: int) -> dict[int, list[str]]:
    """Return the ``most`` longest reviews of each item from ``first`` to ``last``; equal ones by the lower user.

    Memory is that of what is kept and of one batch of the table, not of all reviews.
    """
    store = workspace.table("reviews")
    if not most or not store.paths():
        return {}
    inside = (pc.field("item") >= first) & (pc.field("item") <= last)
    found = pads.dataset(store.paths(), schema=store.schema, format="parquet", filesystem=store.filesystem)
    kept = store.schema.empty_table()
    for batch in found.to_batches(filter=inside):
        kept = _longest(pa.concat_tables([kept, pa.Table.from_batches([batch])]), most)
    reviews: dict[int, list[str]] = {}
    for item, text in zip(kept["item"].to_pylist(), kept["text"].to_pylist(), strict=True):
        reviews.setdefault(item, []).append(text)
    return reviews


def _longest(rows: pa.Table, most: int) -> pa.Table:
    if not rows.num_rows:
        return rows
    length = pc.utf8_length(rows["text"]).to_numpy()
    users, items = rows["user"].to_numpy(), rows["item"].to_numpy()
    order = np.lexsort((users, -length, items))
    starts = np.flatnonzero(np.r_[True, np.diff(items[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return rows.take(pa.array(order[rank < most]))


def bucket_count(workspace: Workspace) -> int:
    """Return the number of buckets of users: the files of the interactions table."""
    return len(workspace.table("interactions").published().files)


def histories(rows: pa.Table) -> list[UserHistory]:
    """Group training rows by user."""
    users = rows["user"].to_numpy()
    items = rows["item"].to_numpy()
    times = rows["timestamp"].fill_null(0).to_numpy() if rows.num_rows else users
    order = np.lexsort((items, -times, users))
    users, items = users[order], items[order]
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=np.int64)
    groups = np.split(items, starts[1:])
    return [
        UserHistory(int(users[start]), tuple(int(item) for item in group))
        for start, group in zip(starts, groups, strict=False)
    ]


def training_counts(workspace: Workspace) -> Ints:
    """Count the training rows of each item, int64[items]; one pass over the interactions, cached in each process."""
    items = sum(file.rows for file in workspace.table("items").published().files)
    return _training_counts(workspace.uri, workspace.table("interactions").published().content, items)


@lru_cache(maxsize=2)
def _training_counts(workspace_uri: str, content: str, items: int) -> Ints:  # noqa: ARG001  the content is the cache's key
    store = Workspace.open(workspace_uri).table("interactions")
    counts = np.zeros(items, np.int64)
    for bucket in range(len(store.published().files)):
        rows = store.read_file(bucket, ["item", "split"])
        train = rows.filter(pc.equal(rows["split"], "train"))["item"].to_numpy()
        counts += np.bincount(train, minlength=items)
    counts.flags.writeable = False
    return counts


def select_pairs(history: UserHistory, pairs_per_user: int, seed: int) -> list[int]:
    """Choose training items of a user for what is made for a budget of pairs: a seeded draw, stable by pair."""

    def draw(item: int) -> bytes:
        return hashlib.blake2b(f"{seed}|{history.user}|{item}".encode(), digest_size=8).digest()

    return sorted(sorted(history.items, key=draw)[:pairs_per_user])


@lru_cache(maxsize=4)
def _table_rows(workspace_uri: str, table: str, content: str) -> dict[int, dict[str, object]]:  # noqa: ARG001  the content is the cache's key
    return _by_key(table, Workspace.open(workspace_uri).table(table).read())


def _by_key(table: str, rows: pa.Table) -> dict[int, dict[str, object]]:
    return {row[KEYS[table][0]]: row for row in rows.to_pylist()}


def rows_by_item(workspace: Workspace, table: str) -> dict[int, dict[str, object]]:
    """Return ``items`` or ``item_profiles`` as rows by item; cached in each process."""
    return _table_rows(workspace.uri, table, workspace.table(table).published().content)


def user_profiles(workspace: Workspace, bucket: int) -> dict[int, dict[str, object]]:
    """Return the profiles of a bucket's users, by user: that table has a file a bucket as well."""
    return _by_key("user_profiles", workspace.table("user_profiles").read_file(bucket))
