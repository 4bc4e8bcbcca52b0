"""What the stage does to one block of rows: pure functions, run in Ray tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare import index, kcore, split
from hnlm_ray.prepare.duplicates import drop_duplicates
from hnlm_ray.prepare.filter import REVIEW
from hnlm_ray.tables import SPLITS, TABLES


@dataclass(frozen=True)
class Numbering:
    """The final numbers of the vocabulary's users and items (-1: gone), and the hash of each that stays."""

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    user_keys: split.Keys
    item_keys: split.Keys


def positives_by_user(marked: pa.Table, buckets: int) -> tuple[positive_filter.Tally, list[pa.Table]]:
    """Keep a block's positives and divide them so that all rows of a user get the same bucket."""
    kept, tally = positive_filter.positives(marked)
    coded = kept["user_id"].combine_chunks().dictionary_encode()
    of_user = np.array([crc32(user.encode()) % buckets for user in coded.dictionary.to_pylist()], dtype=np.int64)
    return tally, _divide(kept, of_user[coded.indices.to_numpy()], buckets)


def unique_pairs(pieces: Sequence[pa.Table], *, given: bool) -> tuple[dict[str, int], pa.Table]:
    """Join the pieces of a bucket and keep one row a pair."""
    rows = pa.concat_tables(pieces)
    unique, in_both = drop_duplicates(rows, given=given)
    return {"duplicates": rows.num_rows - unique.num_rows, "in_train_and_test": in_both}, unique


def encode(rows: pa.Table, user_ids: pa.Array, item_ids: pa.Array, *, given: bool) -> pa.Table:
    """Replace ids by codes: user, item, rating, timestamp, and whether the row trains (counts for the k-core).

    A column of reviews comes along where there is one.
    """
    trains = pc.equal(rows["source_split"], "train") if given else pa.array(np.ones(rows.num_rows, dtype=bool))
    coded = {
        "user": index.encode(rows["user_id"], user_ids),
        "item": index.encode(rows["item_id"], item_ids),
        "rating": rows["rating"],
        "timestamp": rows["timestamp"],
        "trains": trains,
    }
    return pa.table(coded | ({REVIEW: rows[REVIEW]} if REVIEW in rows.column_names else {}))


def degrees(coded: pa.Table, members: kcore.Members, *, all_rows_count_for_items: bool) -> kcore.BlockDegrees:
    """Count a block's degrees among the members."""
    return kcore.block_degrees(
        coded["user"].to_numpy(),
        coded["item"].to_numpy(),
        coded["trains"].to_numpy(),
        members,
        all_rows_count_for_items=all_rows_count_for_items,
    )


def renumber(coded: pa.Table, numbering: Numbering, buckets: int) -> list[pa.Table]:
    """Keep the members' rows with their final numbers, divided by ``user % buckets``."""
    users, items = numbering.users[coded["user"].to_numpy()], numbering.items[coded["item"].to_numpy()]
    numbered = coded.drop_columns(["user", "item"]).add_column(0, "user", [users]).add_column(1, "item", [items])
    kept = numbered.filter(pa.array((users >= 0) & (items >= 0)))
    return _divide(kept, kept["user"].to_numpy() % buckets, buckets)


def split_bucket(
    pieces: Sequence[pa.Table], numbering: Numbering, config: PrepareConfig
) -> tuple[dict[str, int], pa.Table, pa.Table]:
    """Join the pieces of a bucket into its parts of ``interactions`` and ``reviews``, sorted by (user, item)."""
    rows = pa.concat_tables(pieces).sort_by([("user", "ascending"), ("item", "ascending")])
    users, items = rows["user"].to_numpy(), rows["item"].to_numpy()
    keys = split.pair_keys(numbering.user_keys[users], numbering.item_keys[items])
    times = pc.fill_null(rows["timestamp"], 0).to_numpy()
    codes = split.assign(users, items, keys, times, rows["trains"].to_numpy(), config.split)
    names = pa.array(SPLITS).take(pa.array(codes))
    table = pa.table([*(rows[n] for n in ("user", "item", "rating", "timestamp")), names], TABLES["interactions"])
    counts = {name: int((codes == code).sum()) for code, name in enumerate(SPLITS)}
    return counts, table.combine_chunks(), _training_reviews(rows, codes)


def _training_reviews(rows: pa.Table, codes: split.Codes) -> pa.Table:
    """Return the reviews of training rows: a held-out row's review tells what the user made of the item."""
    if REVIEW not in rows.column_names:
        return TABLES["reviews"].empty_table()
    told = rows.filter(pc.and_(pa.array(codes == split.TRAIN), pc.is_valid(rows[REVIEW])))
    return pa.table([told["user"], told["item"], told[REVIEW]], schema=TABLES["reviews"]).combine_chunks()


def _divide(rows: pa.Table, buckets_of: npt.NDArray[np.integer], buckets: int) -> list[pa.Table]:
    order = np.argsort(buckets_of, kind="stable")
    ends = np.searchsorted(buckets_of[order], np.arange(buckets + 1))
    ordered = rows.take(pa.array(order))
    return [ordered.slice(ends[b], ends[b + 1] - ends[b]) for b in range(buckets)]
