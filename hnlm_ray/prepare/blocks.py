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
from hnlm_ray.prepare.duplicates import GIVEN, GIVEN_SPLITS, REVIEW, TIMES, TRAINS, drop_duplicates
from hnlm_ray.workspace.tables import MORE, SPLITS, TABLES

Codes = npt.NDArray[np.int32]
LEFT_OUT: Final = "train_left_out"
"""The count of training rows that ``prepare.split.train_share`` takes away."""


@dataclass(frozen=True)
class Ids:
    """A block's own list of ids: those of positives, then others, which only rows below the least rating name."""

    positives: pa.Array
    others: pa.Array


@dataclass(frozen=True)
class Found:
    """What is in a block: its rows counted, the bytes that those kept take, and the ids they name."""

    tally: positive_filter.Tally
    bytes: int
    users: Ids
    items: Ids


def encode(raw: pa.Table, config: PrepareConfig) -> tuple[Found, pa.Table]:
    """Keep a block's positives and what may take one back, with places in the block's own lists in place of the ids.

    Parameters
    ----------
    raw
        Rows of ``raw_interactions``; ids may be dictionary-encoded, and ``review`` may be missing.
    config
        What a positive is, and whether the source's split counts.
    """
    kept, positive, tally = positive_filter.kept_rows(raw, config)
    (user_ids, users), (item_ids, items) = (_listed(kept[name], positive) for name in ("user_id", "item_id"))
    columns = {"user": users, "item": items, "rating": kept["rating"], "timestamp": kept["timestamp"]}
    if config.split.method == "given":
        places = pc.index_in(kept["source_split"], value_set=pa.array(GIVEN_SPLITS))
        columns[GIVEN] = pc.fill_null(places, 0).cast(pa.uint8())  # a row without a split is refused by its count
    if REVIEW in kept.column_names:
        columns[REVIEW] = pc.if_else(pa.array(positive), kept[REVIEW], pa.scalar(None, pa.string()))
    coded = pa.table(columns).combine_chunks()
    return Found(tally, coded.nbytes, user_ids, item_ids), coded


def _listed(column: pa.ChunkedArray, positive: npt.NDArray[np.bool_]) -> tuple[Ids, Codes]:
    """Return a column's distinct ids, those of positives first, and the place of each row's id among them."""
    ids, codes = index.distinct(column)
    liked = np.zeros(len(ids), dtype=bool)
    liked[codes[positive]] = True
    if liked.all():
        return Ids(ids, ids.slice(len(ids))), codes
    place = np.where(liked, index.dense(liked), liked.sum() + index.dense(~liked)).astype(np.int32)
    return Ids(ids.filter(pa.array(liked)), ids.filter(pa.array(~liked))), place[codes]


def vocabulary(lists: Sequence[Ids]) -> tuple[pa.Array, list[Codes]]:
    """Merge the ids of all blocks' positives; return them in byte order, and the code of each block's ids.

    The code of an id that no positive of any block names is -1.
    """
    merged, codes = index.vocabulary([one.positives for one in lists])
    others = [pc.fill_null(pc.index_in(one.others, value_set=merged), -1).to_numpy() for one in lists]
    return merged, [np.concatenate([own, other]).astype(np.int32) for own, other in zip(codes, others, strict=True)]


def scatter(coded: pa.Table, users: Codes, items: Codes, bounds: npt.NDArray[np.int64]) -> list[pa.Table]:
    """Give a block's rows the codes of the whole vocabulary, and divide them by ranges of users.

    Rows of a user or an item without any positive go.

    Parameters
    ----------
    coded
        Rows of :func:`encode`.
    users, items
        Code of each id of the block's lists.
    bounds
        Where each range begins, and the end of the last.
    """
    users, items = users[coded["user"].to_numpy()], items[coded["item"].to_numpy()]
    there = (users >= 0) & (items >= 0)
    if not there.all():
        coded, users, items = coded.filter(pa.array(there)), users[there], items[there]
    rows = coded.set_column(0, "user", [users]).set_column(1, "item", [items])
    return divide(rows, np.searchsorted(bounds, users, side="right") - 1, len(bounds) - 1)


def unique_positives(raw: pa.Table, config: PrepareConfig) -> pa.Table:
    """Return the positives of some rows of ``raw_interactions``, one a pair, sorted by (user_id, item_id).

    Columns user_id, item_id, rating, timestamp, and ``given`` (uint8, places in ``GIVEN_SPLITS``) where the split is.
    """
    found, coded = encode(raw, config)
    (user_ids, (users,)), (item_ids, (items,)) = vocabulary([found.users]), vocabulary([found.items])
    pairs, _ = drop_duplicates(scatter(coded, users, items, np.array([0, len(user_ids)]))[0], config.min_rating)
    ids = {"user_id": user_ids.take(pairs["user"]), "item_id": item_ids.take(pairs["item"])}
    return pa.table(ids | {name: pairs[name] for name in pairs.column_names if name not in {"user", "item"}})


def user_rows(pairs: pa.Table, first: int, end: int) -> kcore.UserRows:
    """Return what the k-core looks at: the pairs of a range of users, sorted by user."""
    trains = pairs[GIVEN].to_numpy() == TRAINS if GIVEN in pairs.column_names else None
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


def _staying(pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask) -> tuple[kcore.UserRows, kcore.Mask]:
    """Return a range's pairs, and which of them have a user (of a mask over the range) and an item that stay."""
    rows = user_rows(pairs, first, first + len(users))
    return rows, rows.of(users) & items[rows.items]


def staying_times(pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask) -> npt.NDArray[np.int64]:
    """Return the times of a range's pairs that stay, in seconds."""
    _, stays = _staying(pairs, first, users, items)
    times: npt.NDArray[np.int64] = pairs["timestamp"].filter(pa.array(stays)).to_numpy()
    return times


def trained(
    pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask, cut: int
) -> tuple[kcore.Mask, kcore.Mask]:
    """Return masks over the range's users and over all items: who has a pair that stays before a time."""
    rows, stays = _staying(pairs, first, users, items)
    early = stays & (pc.fill_null(pairs["timestamp"], cut).to_numpy() < cut)
    has_users, has_items = np.zeros_like(users), np.zeros_like(items)
    has_users[rows.users[early] - first] = True
    has_items[rows.items[early]] = True
    return has_users, has_items


def untrained(
    pairs: pa.Table, first: int, before: tuple[kcore.Mask, kcore.Mask], after: tuple[kcore.Mask, kcore.Mask]
) -> dict[str, int]:
    """Count the pairs between two pairs of masks (users of the range, items) by what they lack in the second."""
    rows, there = _staying(pairs, first, *before)
    of_users = there & ~rows.of(after[0])
    of_items = there & ~of_users & ~after[1][rows.items]
    return {
        "rows_of_users_without_training": int(of_users.sum()),
        "rows_of_items_without_training": int(of_items.sum()),
    }


@dataclass(frozen=True)
class Numbering:
    """The final number of each item (-1: gone), the hashes of those that stay, and the rules of the split."""

    items: Codes
    item_keys: split.Keys
    seed: int
    config: PrepareConfig
    cuts: split.Cuts | None = None
    given_validation: bool = False


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
    if TIMES in kept.column_names:
        columns[TIMES] = kept[TIMES]
    if REVIEW in kept.column_names:
        columns[REVIEW] = pc.if_else(pa.array(codes == split.TRAIN), kept[REVIEW], pa.scalar(None, pa.string()))
    return named, pa.table(columns)


def _split(kept: pa.Table, places: Codes, items: Codes, users: KeptUsers, numbering: Numbering) -> split.Codes:
    user_keys = split.id_keys(users.ids.to_pylist(), numbering.seed, "user")
    keys = split.pair_keys(user_keys[places], numbering.item_keys[items])
    given = kept[GIVEN].to_numpy() if GIVEN in kept.column_names else np.full(len(places), TRAINS, np.uint8)
    times = pc.fill_null(kept["timestamp"], 0).to_numpy()
    rules = split.Rules(numbering.config.split, numbering.cuts, given_validation=numbering.given_validation)
    return split.assign(places, items, keys, times, split.TEST - given.astype(np.int8), rules)


def join(pieces: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
    """Join a bucket's pieces, given by range of users, into its parts of ``interactions`` and ``reviews``.

    Only training rows have a review: what a held-out row says would tell what the user made of the item.
    """
    rows = pa.concat_tables(pieces).combine_chunks()
    names = pa.DictionaryArray.from_arrays(rows["split"].combine_chunks(), pa.array(SPLITS)).cast(pa.string())
    columns = [rows[name] for name in ("user", "item", "rating", "timestamp")]
    interactions = pa.table([*columns, names], schema=TABLES["interactions"])
    if TIMES in rows.column_names:
        interactions = interactions.append_column(MORE["interactions"].field(TIMES), rows[TIMES])
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
