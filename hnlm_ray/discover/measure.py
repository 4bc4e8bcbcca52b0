"""The interactions as the real reader gives them: how many lines are bad, and how dense the positives are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config
from hnlm_ray.discover.cores import Core, choose_core
from hnlm_ray.sources import Rejects, read_interactions, read_items

MOST_ROWS = 2_000_000
"""Rows that are read at most, for a measure of a large file."""
_KEPT = ("user_id", "item_id", "rating", "timestamp")
_HALF = 0.5


@dataclass(frozen=True)
class Measured:
    """What was read.

    Attributes
    ----------
    rows
        Interactions: columns user_id, item_id, rating, timestamp.
    lines, bad
        Lines read, and those among them that are unusable.
    reasons
        How many lines were left out for what reason.
    complete
        All of the source was read.
    """

    rows: pa.Table
    lines: int
    bad: int
    reasons: Mapping[str, int]
    complete: bool

    @property
    def bad_share(self) -> float:
        """Share of the lines that are unusable, 0 to 1."""
        return self.bad / self.lines if self.lines else 0.0


@dataclass(frozen=True)
class ItemsSeen:
    """What the item files say of some items, and how many items they describe."""

    by_id: Mapping[str, Mapping[str, Any]]
    items: int
    bad_share: float
    reasons: Mapping[str, int]


def parsed_source(tree: Mapping[str, Any]) -> Any:  # noqa: ANN401  the union of all sources
    """Validate a section ``source``, and let every bad line pass, so that all are counted."""
    given = {"split": {"method": "given"}} if "test_path" in tree.get("interactions", {}) else {}
    run = {"name": "init", "workspace": "init", "source": dict(tree), "prepare": given}
    source = Config.model_validate(run).source
    return source.model_copy(update={"max_bad_share": 1.0})


def measure(tree: Mapping[str, Any]) -> Measured:
    """Read up to two million interactions.

    Raises
    ------
    InputError
        When a file is damaged, or most of its lines can't be used.
    """
    rejects, parts, complete = Rejects(), [], True
    for batch in read_interactions(parsed_source(tree), rejects):
        parts.append(batch.select(_KEPT))
        if sum(part.num_rows for part in parts) >= MOST_ROWS:
            complete = False
            break
    if not parts or rejects.bad > _HALF * rejects.lines:
        reason, count = next(iter(rejects.by_reason.most_common(1)), ("there is none", 0))
        raise InputError(
            f"{rejects.bad} of {rejects.lines} interactions can't be read (most: {reason}, {count}); say what the "
            "columns are with --user, --item, --rating, --time"
        )
    return Measured(pa.concat_tables(parts), rejects.lines, rejects.bad, dict(rejects.by_reason), complete)


def allowed_share(*shares: float) -> float | None:
    """Return the share of bad lines to allow: none while the default suffices, else a fifth more than measured."""
    return None if max(shares) <= 0.01 else min(1.0, math.ceil(max(shares) * 120) / 100)


def positives(measured: Measured, min_rating: float | None) -> pa.Table:
    """Return the rows whose rating makes them positives; of a pair that is there again the last rating decides."""
    if min_rating is None:
        return measured.rows
    liked = measured.rows.filter(pc.greater_equal(measured.rows["rating"], pa.scalar(min_rating, pa.float32())))
    if measured.rows["timestamp"].null_count == measured.rows.num_rows:
        return liked
    rated = measured.rows.filter(pc.is_valid(measured.rows["rating"]))
    pair = ["user_id", "item_id"]
    last = rated.group_by(pair).aggregate([("timestamp", "max")])
    kept = liked.join(last, pair, join_type="inner")
    again = pc.or_kleene(pc.equal(kept["timestamp"], kept["timestamp_max"]), pc.is_null(kept["timestamp_max"]))
    kept = kept.filter(pc.fill_null(again, False))  # noqa: FBT003
    return kept.select(measured.rows.column_names)


def core_of(measured: Measured, min_rating: float | None, most_users: int | None) -> Core | None:
    """Choose a k-core; None when no row is a positive."""
    rows = positives(measured, min_rating)
    if not rows.num_rows:
        return None
    coded = [rows[name].combine_chunks().dictionary_encode() for name in ("user_id", "item_id")]
    users, items = (one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in coded)
    pairs = np.unique(users * (int(items.max()) + 1) + items)
    return choose_core(*np.divmod(pairs, int(items.max()) + 1), most_users)


def look_up(tree: Mapping[str, Any], wanted: list[str]) -> ItemsSeen:
    """Read what the item files say of some items."""
    rejects, count = Rejects(), 0
    found: dict[str, Mapping[str, Any]] = {}
    for batch in read_items(parsed_source(tree), rejects):
        count += batch.num_rows
        hits = batch.filter(pc.is_in(batch["item_id"], value_set=pa.array(wanted, pa.string())))
        found |= {row["item_id"]: row for row in hits.to_pylist()}
    return ItemsSeen(found, count, rejects.bad / max(1, rejects.lines), dict(rejects.by_reason))
