"""One row a (user, item) pair, the same one whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def drop_duplicates(table: pa.Table, *, given: bool) -> tuple[pa.Table, int]:
    """Keep of each pair the row with the latest timestamp; among equals the highest rating.

    A missing value is the lowest; the review settles what is left. With ``given`` a row of the source's train
    split goes before all others, so that a pair in both splits trains.

    Parameters
    ----------
    table
        Rows of ``raw_interactions``, with or without ``review``; all rows of a user are in it.
    given
        Whether the source's split counts.

    Returns
    -------
    tuple
        The rows, sorted by (user_id, item_id), and the number of pairs that were in both splits.
    """
    ranked = table.append_column("trains", pc.equal(table["source_split"], "train").cast(pa.int8()))
    keys = [("user_id", "ascending"), ("item_id", "ascending")]
    keys += [("trains", "descending")] if given else []
    keys += [("timestamp", "descending"), ("rating", "descending"), ("trains", "descending")]
    keys += [("review", "descending")] if "review" in table.column_names else []
    ordered = ranked.take(pc.sort_indices(ranked, sort_keys=[(*key, "at_end") for key in keys]))
    first = _starts(ordered)
    both = _pairs_in_both(ordered, first) if given else 0
    return ordered.filter(pa.array(first)).drop_columns(["trains"]), both


def _starts(ordered: pa.Table) -> npt.NDArray[np.bool_]:
    """Mark the first row of each pair."""
    first = np.ones(ordered.num_rows, dtype=bool)
    for name in ("user_id", "item_id"):
        column = ordered[name].combine_chunks()
        changed = pc.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0)))
        changed = changed.to_numpy(zero_copy_only=False).astype(bool)
        first[1:] = changed if name == "user_id" else first[1:] | changed
    return first


def _pairs_in_both(ordered: pa.Table, first: npt.NDArray[np.bool_]) -> int:
    if not ordered.num_rows:
        return 0
    trains = ordered["trains"].to_numpy()
    starts = np.flatnonzero(first)
    return int((np.maximum.reduceat(trains, starts) > np.minimum.reduceat(trains, starts)).sum())
