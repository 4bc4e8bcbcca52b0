"""One row a (user, item) pair, the same one whatever the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.workspace.tables import SPLITS

REVIEW, GIVEN, TIMES = "review", "given", "repeats"
"""Columns that rows may have: what the user wrote; the place of a given split in :data:`GIVEN_SPLITS` (uint8); how
often the pair came (int32)."""
GIVEN_SPLITS: Final = SPLITS[::-1]
"""Of a pair in several given splits the last one of these has it: train before validation before test."""
TRAINS: Final = GIVEN_SPLITS.index("train")

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Repeats:
    """Pairs that came more than once.

    Attributes
    ----------
    rows
        Positives beyond the first of a pair.
    pairs
        Pairs with more than one positive.
    taken_back
        Pairs that had a positive and whose last row is none.
    in_train_and_test, in_validation_too
        Pairs with positives in both of these given splits; in validation and another one.
    """

    rows: int = 0
    pairs: int = 0
    taken_back: int = 0
    in_train_and_test: int = 0
    in_validation_too: int = 0


def drop_duplicates(
    rows: pa.Table, least_rating: float | None = None, *, count: bool = False
) -> tuple[pa.Table, Repeats]:
    """Keep of each pair the row with the latest timestamp, among equals the highest rating, where it is a positive.

    A missing value is the lowest; the review settles what is left. Where the source's split is given, this is done in
    each split by itself, so that a later row of test changes nothing in train; of what is left of a pair the row of
    train goes first, then that of validation.

    Parameters
    ----------
    rows
        Columns user and item (int32 codes), rating, timestamp, and ``given`` and ``review`` where the data has
        them; all rows of a user are in it.
    least_rating
        Of a positive; none: every row is one.
    count
        Add a column ``repeats``, int32: the positives of the pair, in a given split those of the row's own.

    Returns
    -------
    tuple
        The rows, sorted by (user, item), and what became of pairs with several.

    Notes
    -----
    Most pairs have one row, so that one sort of integers settles them; the rules are applied to the others.
    """
    pairs, positive = _pairs(rows), rated(rows["rating"], least_rating)
    order = np.argsort(pairs)
    ordered = pairs[order]
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(order)]
    alone = first & np.append(first[1:], True)[: len(order)]
    kept, times, found = order[first], np.ones(int(first.sum()), np.int32), Repeats()
    stays = positive[kept]
    if not alone.all():
        several = ~alone[first]
        kept[several], times[several], found = _best(rows, order[~alone], positive)
        stays[several] = kept[several] >= 0
    unique = rows.take(pa.array(kept[stays])).combine_chunks()
    return unique.append_column(TIMES, pa.array(times[stays])) if count else unique, found


def rated(ratings: pa.ChunkedArray, least: float | None) -> Mask:
    """Tell which rows have at least this rating; with none all have."""
    if least is None:
        return np.ones(len(ratings), dtype=bool)
    mask: Mask = pc.fill_null(pc.greater_equal(ratings, pa.scalar(least, pa.float32())), False).to_numpy()  # noqa: FBT003
    return mask


def _pairs(rows: pa.Table) -> Places:
    """Return an integer for each row's pair, in the order of (user, item)."""
    users, items = rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy()
    pairs: Places = users * (int(items.max(initial=0)) + 1) + items
    return pairs


def _best(rows: pa.Table, places: Places, positive: Mask) -> tuple[Places, npt.NDArray[np.int32], Repeats]:
    """Return the place of each pair's row, by pair, -1 where its last is no positive; and how many positives it had."""
    repeated = rows.take(pa.array(places)).combine_chunks()
    order = _latest_first(repeated)
    pairs, liked = _pairs(repeated)[order], positive[places[order]].astype(np.int32)
    given = repeated[GIVEN].to_numpy()[order] if GIVEN in repeated.column_names else np.zeros(len(order), np.uint8)
    starts = np.flatnonzero(_changes(pairs))
    groups = np.flatnonzero(_changes(pairs) | _changes(given))  # of a pair in one split: the latest row begins it
    pair_of_group = np.searchsorted(starts, groups, side="right") - 1
    last_likes = liked[groups] > 0
    having, chosen = np.unique(pair_of_group[last_likes], return_index=True)
    kept, times = np.full(len(starts), -1), np.ones(len(starts), np.int32)
    kept[having] = places[order[groups[last_likes][chosen]]]
    times[having] = np.add.reduceat(liked, groups)[last_likes][chosen]
    return kept, times, _repeats(np.add.reduceat(liked, starts), kept < 0, _splits_of(liked, given, starts))


def _latest_first(rows: pa.Table) -> Places:
    """Return the order by pair, split, and then what goes before: the later time, the higher rating, the review."""
    rows = rows.set_column(rows.schema.get_field_index("rating"), "rating", _ordinals(rows["rating"]))
    has = rows.column_names
    falling = [*([GIVEN] if GIVEN in has else []), "timestamp", "rating", *([REVIEW] if REVIEW in has else [])]
    keys = [(name, "ascending", "at_end") for name in ("user", "item")]
    keys += [(name, "descending", "at_end") for name in falling]
    order: Places = pc.sort_indices(rows, sort_keys=keys).to_numpy()
    return order


def _changes(values: npt.NDArray[np.integer]) -> Mask:
    return np.append(True, values[1:] != values[:-1])


def _splits_of(liked: npt.NDArray[np.int32], given: npt.NDArray[np.uint8], starts: Places) -> Places:
    """Return the given splits of each pair's positives as bits, by their places in :data:`GIVEN_SPLITS`."""
    return np.bitwise_or.reduceat(liked.astype(np.int64) << given.astype(np.int64), starts)


def _repeats(positives: npt.NDArray[np.int32], gone: Mask, splits: Places) -> Repeats:
    bit = {name: 1 << place for place, name in enumerate(GIVEN_SPLITS)}
    both, validation = bit["train"] | bit["test"], bit["validation"]
    return Repeats(
        rows=int(np.maximum(positives - 1, 0).sum()),
        pairs=int((positives > 1).sum()),
        taken_back=int((gone & (positives > 0)).sum()),
        in_train_and_test=int((splits & both == both).sum()),
        in_validation_too=int(((splits & validation > 0) & (splits != validation)).sum()),
    )


def _ordinals(ratings: pa.ChunkedArray) -> pa.Array:
    """Return integers in the order of the ratings; unlike these, 0.0 and -0.0 do not tie."""
    bits = ratings.combine_chunks().fill_null(0).to_numpy().view(np.int32)
    return pa.array(bits ^ ((bits >> 31) & 0x7FFFFFFF), mask=ratings.is_null().to_numpy())
