"""Which rows are positives: a least rating and a window of days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare.duplicates import rated

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tally:
    """Rows of some blocks by what became of them; ``without_*`` counts nulls.

    ``unrated`` are no positives because a least rating is asked for and they have none; ``given_validation`` came as
    validation rows.
    """

    rows: int = 0
    below_rating: int = 0
    unrated: int = 0
    outside_window: int = 0
    without_rating: int = 0
    without_timestamp: int = 0
    positives: int = 0
    positives_without_timestamp: int = 0
    positives_without_split: int = 0
    given_validation: int = 0


def kept_rows(rows: pa.Table, config: PrepareConfig) -> tuple[pa.Table, Mask, Tally]:
    """Keep the rows of a block that are positives, and those below that may take one back; and count.

    A row without the value that a rule looks at does not pass that rule. Only a row inside the window with a rating
    and a time can take back an earlier one of its pair: without a rating it says nothing of liking, and without a time
    it is before all others.

    Parameters
    ----------
    rows
        Columns ``rating``, ``timestamp`` and ``source_split`` of ``raw_interactions`` decide; all are kept.
    config
        The least rating and the window.

    Returns
    -------
    tuple
        The rows, which of them are positives, and the counts.
    """
    liked, inside = rated(rows["rating"], config.min_rating), _in_window(rows["timestamp"], config)
    unrated = rows["rating"].is_null().to_numpy()
    positive = liked & inside
    keep = positive | (~liked & inside & ~unrated & rows["timestamp"].is_valid().to_numpy())
    kept = rows if keep.all() else rows.filter(pa.array(keep))
    positives = rows if positive.all() else rows.select(["timestamp", "source_split"]).filter(pa.array(positive))
    tally = Tally(
        rows=rows.num_rows,
        below_rating=int((~liked & ~unrated).sum()),
        unrated=int((~liked & unrated).sum()),
        outside_window=int((liked & ~inside).sum()),
        without_rating=int(unrated.sum()),
        without_timestamp=rows["timestamp"].null_count,
        positives=int(positive.sum()),
        positives_without_timestamp=positives["timestamp"].null_count,
        positives_without_split=positives["source_split"].null_count,
        given_validation=pc.sum(pc.equal(rows["source_split"], "validation")).as_py() or 0,
    )
    return kept, positive[keep], tally


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
    if method in {"leave_last_out", "time"} and tally.positives_without_timestamp:
        raise InputError(
            f"prepare.split.method is {method}, but {tally.positives_without_timestamp} of {tally.positives} "
            "positives have no timestamp; map source.interactions.columns.timestamp or choose random"
        )
    if method == "given" and tally.positives_without_split:
        raise InputError(
            f"prepare.split.method is given, but {tally.positives_without_split} of {tally.positives} positives "
            "came without a split; choose random, or a source with train and test files (format ngcf, or table with "
            "test_path)"
        )


def _in_window(timestamps: pa.ChunkedArray, config: PrepareConfig) -> Mask:
    inside = np.ones(len(timestamps), dtype=bool)
    if config.since is not None:
        inside &= _true(pc.greater_equal(timestamps, _midnight(config.since)))
    if config.until is not None:
        inside &= _true(pc.less(timestamps, _midnight(config.until)))
    return inside


def _true(condition: pa.ChunkedArray) -> Mask:
    mask: Mask = pc.fill_null(condition, False).to_numpy()  # noqa: FBT003
    return mask


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
