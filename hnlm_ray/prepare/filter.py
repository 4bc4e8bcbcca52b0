"""Which rows are positives: a least rating and a window of days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import PrepareConfig
from hnlm_ray.errors import InputError
from hnlm_ray.tables import TABLES

OUTCOME = "outcome"
REVIEW = "review"
KEPT, BELOW_RATING, OUTSIDE_WINDOW = 0, 1, 2


@dataclass(frozen=True)
class Tally:
    """Rows of some blocks by what became of them; ``without_*`` counts nulls."""

    rows: int = 0
    below_rating: int = 0
    outside_window: int = 0
    without_rating: int = 0
    without_timestamp: int = 0
    positives: int = 0
    positives_without_timestamp: int = 0
    positives_without_split: int = 0


def mark(table: pa.Table, config: PrepareConfig) -> pa.Table:
    """Add the column ``outcome`` (int8): KEPT, BELOW_RATING or OUTSIDE_WINDOW.

    A row without the value that a rule looks at does not pass that rule. The column ``review`` may be left out.
    """
    schema = TABLES["raw_interactions"]
    schema = schema if REVIEW in table.column_names else schema.remove(schema.get_field_index(REVIEW))
    table = table.select(schema.names).cast(schema)
    outcome = pc.if_else(_in_window(table["timestamp"], config), KEPT, OUTSIDE_WINDOW)
    if config.min_rating is not None:
        rated = pc.fill_null(pc.greater_equal(table["rating"], pa.scalar(config.min_rating, pa.float32())), False)  # noqa: FBT003
        outcome = pc.if_else(rated, outcome, BELOW_RATING)
    return table.append_column(OUTCOME, outcome.cast(pa.int8()))


def positives(marked: pa.Table) -> tuple[pa.Table, Tally]:
    """Keep the positives of a marked block, and count."""
    kept = marked.filter(pc.equal(marked[OUTCOME], KEPT)).drop_columns([OUTCOME])
    tally = Tally(
        rows=marked.num_rows,
        below_rating=_count(marked, BELOW_RATING),
        outside_window=_count(marked, OUTSIDE_WINDOW),
        without_rating=marked["rating"].null_count,
        without_timestamp=marked["timestamp"].null_count,
        positives=kept.num_rows,
        positives_without_timestamp=kept["timestamp"].null_count,
        positives_without_split=kept["source_split"].null_count,
    )
    return kept, tally


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up the tallies of all blocks."""
    parts = list(tallies)
    return Tally(**{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(Tally)})


def check(tally: Tally, config: PrepareConfig) -> None:
    """Raise InputError when a rule asks for values that the data does not have."""
    if not tally.rows:
        raise InputError("the source has no interactions; check the files and `columns` of the source section")
    if config.min_rating is not None and tally.without_rating == tally.rows:
        raise InputError(
            f"prepare.min_rating is {config.min_rating}, but no row has a rating; map "
            "source.interactions.columns.rating or remove prepare.min_rating"
        )
    if (config.since or config.until) and tally.without_timestamp == tally.rows:
        raise InputError(
            f"prepare.since/until is {config.since}/{config.until}, but no row has a timestamp; map "
            "source.interactions.columns.timestamp or remove the window"
        )
    _check_split(tally, config.split.method)


def _check_split(tally: Tally, method: str) -> None:
    if method == "leave_last_out" and tally.positives_without_timestamp:
        raise InputError(
            f"prepare.split.method is leave_last_out, but {tally.positives_without_timestamp} of {tally.positives} "
            "positives have no timestamp; map source.interactions.columns.timestamp or choose random"
        )
    if method == "given" and tally.positives_without_split:
        raise InputError(
            f"prepare.split.method is given, but {tally.positives_without_split} of {tally.positives} positives "
            "came without a split; choose random, or a source with train and test files (format ngcf)"
        )


def _in_window(timestamps: pa.ChunkedArray, config: PrepareConfig) -> pa.Array:
    inside = pa.scalar(value=True)
    if config.since is not None:
        inside = pc.and_(inside, pc.greater_equal(timestamps, _midnight(config.since)))
    if config.until is not None:
        inside = pc.and_(inside, pc.less(timestamps, _midnight(config.until)))
    if isinstance(inside, pa.Scalar):
        return pa.repeat(inside, len(timestamps))
    return pc.fill_null(inside, False).combine_chunks()  # noqa: FBT003


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _count(marked: pa.Table, outcome: int) -> int:
    return int(pc.sum(pc.equal(marked[OUTCOME], outcome)).as_py() or 0)
