"""One row a (user, item) pair, the same one whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

REVIEW, TRAINS = "review", "trains"
"""Columns that rows may have: what the user wrote, and whether a given split trains with the row (uint8)."""

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def drop_duplicates(rows: pa.Table) -> tuple[pa.Table, int]:
    """Keep of each pair the row with the latest timestamp; among equals the highest rating.

    A missing value is the lowest; the review settles what is left. Where the source's split is given, a row of its
    train split goes before all others, so that a pair in both splits trains.

    Parameters
    ----------
    rows
        Columns user and item (int32 codes), rating, timestamp, and ``trains`` and ``review`` where the data has
        them; all rows of a user are in it.

    Returns
    -------
    tuple
        The rows, sorted by (user, item), and the number of pairs that were in both splits.

    Notes
    -----
    Most pairs have one row, so that one sort of integers settles them; the rules are applied to the others.
    """
    pairs = _pairs(rows)
    order = np.argsort(pairs)
    ordered = pairs[order]
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(order)]
    alone = first & np.append(first[1:], True)[: len(order)]
    kept, both = order[first], 0
    if not alone.all():
        kept[~alone[first]], both = _best(rows, order[~alone])
    return rows.take(pa.array(kept)).combine_chunks(), both


def _pairs(rows: pa.Table) -> Places:
    """Return an integer for each row's pair, in the order of (user, item)."""
    users, items = rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy()
    pairs: Places = users * (int(items.max(initial=0)) + 1) + items
    return pairs


def _best(rows: pa.Table, places: Places) -> tuple[Places, int]:
    """Return the place of each pair's best row, by pair, and how many of the pairs were in both splits."""
    repeated = rows.take(pa.array(places)).combine_chunks()
    repeated = repeated.set_column(rows.schema.get_field_index("rating"), "rating", _ordinals(repeated["rating"]))
    has = repeated.column_names
    falling = [*([TRAINS] if TRAINS in has else []), "timestamp", "rating", *([REVIEW] if REVIEW in has else [])]
    keys = [(name, "ascending", "at_end") for name in ("user", "item")]
    keys += [(name, "descending", "at_end") for name in falling]
    order = pc.sort_indices(repeated, sort_keys=keys).to_numpy()
    pairs = _pairs(repeated)[order]
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    return places[order[starts]], _in_both(repeated[TRAINS].to_numpy()[order], starts) if TRAINS in has else 0


def _ordinals(ratings: pa.ChunkedArray) -> pa.Array:
    """Return integers in the order of the ratings; unlike these, 0.0 and -0.0 do not tie."""
    bits = ratings.combine_chunks().fill_null(0).to_numpy().view(np.int32)
    return pa.array(bits ^ ((bits >> 31) & 0x7FFFFFFF), mask=ratings.is_null().to_numpy())


def _in_both(trains: npt.NDArray[np.uint8], starts: Places) -> int:
    return int((np.maximum.reduceat(trains, starts) > np.minimum.reduceat(trains, starts)).sum())
