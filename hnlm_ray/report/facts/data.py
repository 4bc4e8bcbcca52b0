"""The data: where it came from, what was left out and why, and how unevenly items are liked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.prepare.filter import notes_of, warnings_of
from hnlm_ray.report.words import masked
from hnlm_ray.workspace import Manifest
from hnlm_ray.workspace.shown_tables import ShownTables

Facts = dict[str, Any]
Counts = Mapping[str, int | float | str | None]
_DROPPED: Final = {
    "without_rating": "without a rating, where prepare.min_rating asks for one",
    "below_rating": "rated below prepare.min_rating",
    "outside_window": "outside prepare.since and prepare.until",
    "duplicates": "repeats of a pair: the same user and item again",
    "repeats": "repeats of a pair: the same user and item again",
    "taken_back": "positives of a pair whose last rating is none",
    "dropped_by_sample_and_kcore": "of users or items outside the sample or with too few positives (k-core)",
    "train_left_out": "training rows left out by prepare.split.train_share",
    "rows_of_users_without_training": "later rows of users without an earlier one, by the split by time",
    "rows_of_items_without_training": "later rows of items without an earlier one, by the split by time",
}
_SPLITS: Final = ("train", "validation", "test")
_POINTS: Final = 200
_TOP_SHARES: Final = (0.01, 0.1, 0.5)


def data_facts(tables: ShownTables) -> Facts | None:
    """Return the facts of the prepared data, as the tables themselves tell; none before they are there."""
    if not all(tables.readable(table) for table in ("users", "items", "interactions")):
        return None
    prepared = tables.published.manifests["interactions"]
    raw = tables.published.manifests.get("raw_interactions")
    return {
        "source": [] if raw is None else made_with(raw, "source"),
        "filters": made_with(prepared, "prepare"),
        "sizes": {name: _rows(tables, name) for name in ("users", "items", "interactions")},
        "lost": lost({} if raw is None else raw.counts, {} if raw is None else raw.failed_by_reason, prepared.counts),
        "told": [
            *warnings_of("prepare", prepared.counts, prepared.depends_on),
            *notes_of(prepared.counts, prepared.depends_on),
        ],
        "splits": {name: prepared.counts[name] for name in _SPLITS if name in prepared.counts},
        "tail": tail_facts(item_popularity(tables)),
    }


def _rows(tables: ShownTables, table: str) -> int:
    return sum(file.rows for file in tables.published.manifests[table].files)


def made_with(manifest: Manifest, section: str) -> list[tuple[str, str]]:
    """Return the settings of a section that a table was made with: a configuration given later may differ."""
    start = f"{section}."
    found = {name.removeprefix(start): value for name, value in manifest.depends_on.items() if name.startswith(start)}
    return settings({name: value for name, value in found.items() if value != []})


def settings(tree: Any, prefix: str = "") -> list[tuple[str, str]]:  # noqa: ANN401  any JSON value
    """Return a section of the configuration as (dotted name, value), secrets masked, unset values left out."""
    shown = masked(tree)
    if isinstance(shown, dict):
        return [row for key, value in shown.items() for row in settings(value, f"{prefix}.{key}" if prefix else key)]
    return [] if shown is None else [(prefix, str(shown))]


def lost(ingest: Counts, rejected: Mapping[str, int], prepare: Counts) -> list[Facts]:
    """Return what was left out between the files and the split, how many, and why.

    What the readers left out comes first: it is no part of the rows read, from which only ``subtracted`` ones go.
    """
    unread = [("lines or values", count, f"left out: {why}", False) for why, count in rejected.items()]
    read = [("rows", ingest["interactions"], "read from the source", False)] if ingest else []
    dropped = [(prepare.get(name), why) for name, why in _DROPPED.items()]
    gone = [("rows", count, why, True) for count, why in dropped if count]
    return [dict(zip(("what", "count", "why", "subtracted"), row, strict=True)) for row in (*unread, *read, *gone)]


def item_popularity(tables: ShownTables) -> NDArray[np.int64]:
    """Return the training positives of each item, int64[items], the most liked first."""
    rows = tables.read("interactions", ["item", "split"])
    counted = pc.value_counts(rows.filter(pc.equal(rows["split"], "train"))["item"])
    popularity = np.zeros(_rows(tables, "items"), np.int64)
    found = counted.field("counts").to_numpy()
    popularity[: len(found)] = found
    return np.sort(popularity)[::-1]


def tail_facts(popularity: NDArray[np.int64]) -> Facts:
    """Return the long tail: points (rank, positives) for a plot, and how much the most liked items hold."""
    total = max(1, int(popularity.sum()))
    ranks = np.unique(np.geomspace(1, max(1, len(popularity)), _POINTS).astype(np.int64))
    tops = [(share, max(1, round(share * len(popularity)))) for share in _TOP_SHARES]
    return {
        "points": [(int(rank), int(popularity[rank - 1])) for rank in ranks] if len(popularity) else [],
        "held": [{"share": share, "top": top, "holds": float(popularity[:top].sum() / total)} for share, top in tops],
        "without": int((popularity == 0).sum()),
        "median": float(np.median(popularity)) if len(popularity) else 0.0,
    }
