"""What the stage does to one block of rows: pure functions, run in Ray tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import filter as positive_filter
from hnlm_ray.prepare import index, kcore, split
from hnlm_ray.prepare.duplicates import REVIEW, TRAINS, drop_duplicates
from hnlm_ray.workspace.tables import SPLITS, TABLES

Codes = npt.NDArray[np.int32]
LEFT_OUT: Final = "train_left_out"
"""The count of training rows that ``prepare.split.train_share`` takes away."""


@dataclass(frozen=True)
class Found:
    """What is in a block: its positives counted, the bytes they take, and the ids they name."""

    tally: positive_filter.Tally
    bytes: int
    users: pa.Array
    items: pa.Array


def encode(raw: pa.Table, config: PrepareConfig) -> tuple[Found, pa.Table]:
    """Keep a block's positives, with places in the block's own lists of ids in place of the ids.

    Parameters
    ----------
    raw
        Rows of ``raw_interactions``; ids may be dictionary-encoded, and ``review`` may be missing.
    config
        What a positive is, and whether the source's split counts.
    """
    kept, tally = positive_filter.positives(raw, config)
    (user_ids, users), (item_ids, items) = index.distinct(kept["user_id"]), index.distinct(kept["item_id"])
    columns = {"user": users, "item": items, "rating": kept["rating"], "timestamp": kept["timestamp"]}
    if config.split.method == "given":
        columns[TRAINS] = pc.equal(kept["source_split"], "train").cast(pa.uint8())
    if REVIEW in kept.column_names:
        columns[REVIEW] = kept[REVIEW]
    coded = pa.table(columns).combine_chunks()
    return Found(tally, coded.nbytes, user_ids, item_ids), coded


def scatter(coded: pa.Table, users: Codes, items: Codes, bounds: npt.NDArray[np.int64]) -> list[pa.Table]:
    """Give a block's rows the codes of the whole vocabulary, and divide them by ranges of users.

    Parameters
    ----------
    coded
        Rows of :func:`encode`.
    users, items
        Code of each id of the block's lists.
    bounds
        Where each range begins, and the end of the last.
    """
    codes = users[coded["user"].to_numpy()]
    rows = coded.set_column(0, "user", [codes]).set_column(1, "item", [items[coded["item"].to_numpy()]])
    return divide(rows, np.searchsorted(bounds, codes, side="right") - 1, len(bounds) - 1)


def unique_positives(raw: pa.Table, config: PrepareConfig) -> pa.Table:
    """Return the positives of some rows of ``raw_interactions``, one a pair, sorted by (user_id, item_id).

    Columns user_id, item_id, rating, timestamp, and ``trains`` (uint8) where the split is given.
    """
    found, coded = encode(raw, config)
    (user_ids, (users,)), (item_ids, (items,)) = index.vocabulary([found.users]), index.vocabulary([found.items])
    pairs, _ = drop_duplicates(scatter(coded, users, items, np.array([0, len(users)]))[0])
    ids = {"user_id": user_ids.take(pairs["user"]), "item_id": item_ids.take(pairs["item"])}
    return pa.table(ids | {name: pairs[name] for name in pairs.column_names if name not in {"user", "item"}})


def user_rows(pairs: pa.Table, first: int, end: int) -> kcore.UserRows:
    """Return what the k-core looks at: the pairs of a range of users, sorted by user."""
    trains = pairs[TRAINS].to_numpy().astype(bool) if TRAINS in pairs.column_names else None
    return kcore.UserRows(pairs["user"].to_numpy(), pairs["item"].to_numpy(), trains, first, end)


@dataclass(frozen=True)
class KeptUsers:
    """The users of a range of codes who stay.

    Attributes
    ----------
    first, end
        The range.
    stay
        Mask over it.
    ids
        Of those who stay.
    number
        The final number of the first who stays.
    """

    first: int
    end: int
    stay: kcore.Mask
    ids: pa.Array
    number: int


@dataclass(frozen=True)
class Numbering:
    """The final number of each item (-1: gone), the hashes of those that stay, and the rules of the split."""

    items: Codes
    item_keys: split.Keys
    seed: int
    config: PrepareConfig


def number_and_split(pairs: pa.Table, users: KeptUsers, numbering: Numbering) -> tuple[dict[str, int], pa.Table]:
    """Keep what stays of a range's pairs, with final numbers and a split each.

    Returns
    -------
    tuple
        Rows a split and training rows left out, and the rows, sorted by (user, item): columns of ``interactions``, of
        which ``split`` is a code (int8), and where the data has reviews those of training rows.
    """
    rows = user_rows(pairs, users.first, users.end)
    stays = rows.of(users.stay) & (numbering.items >= 0)[rows.items]
    kept = pairs.filter(pa.array(stays)).combine_chunks()
    places = index.dense(users.stay)[rows.users[stays] - users.first]
    items = numbering.items[rows.items[stays]]
    codes = _split(kept, places, items, users, numbering)
    named = {name: int((codes == code).sum()) for code, name in enumerate((*SPLITS, LEFT_OUT))}
    if named[LEFT_OUT]:
        there = codes != split.LEFT_OUT
        kept, places, items, codes = kept.filter(pa.array(there)), places[there], items[there], codes[there]
    columns = {"user": places + np.int32(users.number), "item": items}
    columns |= {"rating": kept["rating"], "timestamp": kept["timestamp"], "split": codes}
    if REVIEW in kept.column_names:
        columns[REVIEW] = pc.if_else(pa.array(codes == split.TRAIN), kept[REVIEW], pa.scalar(None, pa.string()))
    return named, pa.table(columns)


def _split(kept: pa.Table, places: Codes, items: Codes, users: KeptUsers, numbering: Numbering) -> split.Codes:
    user_keys = split.id_keys(users.ids.to_pylist(), numbering.seed, "user")
    keys = split.pair_keys(user_keys[places], numbering.item_keys[items])
    trains = kept[TRAINS].to_numpy().astype(bool) if TRAINS in kept.column_names else np.ones(len(places), dtype=bool)
    times = pc.fill_null(kept["timestamp"], 0).to_numpy()
    return split.assign(places, items, keys, times, trains, numbering.config.split)


def join(pieces: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
    """Join a bucket's pieces, given by range of users, into its parts of ``interactions`` and ``reviews``.

    Only training rows have a review: what a held-out row says would tell what the user made of the item.
    """
    rows = pa.concat_tables(pieces).combine_chunks()
    names = pa.DictionaryArray.from_arrays(rows["split"].combine_chunks(), pa.array(SPLITS)).cast(pa.string())
    columns = [rows[name] for name in ("user", "item", "rating", "timestamp")]
    interactions = pa.table([*columns, names], schema=TABLES["interactions"])
    if REVIEW not in rows.column_names:
        return interactions, TABLES["reviews"].empty_table()
    told = rows.filter(pc.is_valid(rows[REVIEW]))
    reviews = pa.table([told["user"], told["item"], told[REVIEW]], schema=TABLES["reviews"])
    return interactions, reviews.combine_chunks()


def divide(rows: pa.Table, parts_of: npt.NDArray[np.integer], parts: int) -> list[pa.Table]:
    """Divide rows by the part that each belongs to; within a part they keep their order."""
    small = parts_of.astype(np.uint16 if parts <= 2**16 else np.int64)  # 16 bits: NumPy sorts them by radix
    order = np.argsort(small, kind="stable")
    ends = np.concatenate(([0], np.cumsum(np.bincount(small, minlength=parts))))
    ordered = rows.take(pa.array(order))
    return [ordered.slice(ends[part], ends[part + 1] - ends[part]) for part in range(parts)]
