"""The stage's Ray tasks: each is one function of :mod:`hnlm_ray.prepare.blocks` on one block.

They import neither Ray Data nor pandas, which would cost every worker seconds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, kcore
from hnlm_ray.prepare.duplicates import drop_duplicates
from hnlm_ray.prepare.raw_parts import RawPart
from hnlm_ray.workspace import TableStore

Bounds = npt.NDArray[np.int64]


@ray.remote(num_returns=2)
def encode(part: RawPart, config: PrepareConfig) -> tuple[blocks.Found, pa.Table]:
    """Read a part of the raw rows: what is in it, and its positives with codes of its own."""
    return blocks.encode(part.read(), config)


@ray.remote
def scatter(coded: pa.Table, users: blocks.Codes, items: blocks.Codes, bounds: Bounds) -> list[pa.Table] | pa.Table:
    """Divide a part's rows by ranges of users: a piece a range."""
    pieces = blocks.scatter(coded, users, items, bounds)
    return pieces if len(pieces) > 1 else pieces[0]


@ray.remote(num_returns=2)
def unique(*pieces: pa.Table) -> tuple[dict[str, int], pa.Table]:
    """Join a range's pieces: counts, and one row a pair."""
    rows = pa.concat_tables(pieces)
    pairs, in_both = drop_duplicates(rows)
    return {"duplicates": rows.num_rows - pairs.num_rows, "in_train_and_test": in_both}, pairs


@ray.remote
def users_round(
    pairs: pa.Table, first: int, users: kcore.Mask, items: kcore.Mask, config: PrepareConfig
) -> tuple[kcore.Mask, kcore.Degrees]:
    """Do a round of the k-core for a range of users."""
    rows = blocks.user_rows(pairs, first, first + len(users))
    return kcore.users_round(rows, users, items, config.user_core, all_rows_count_for_items=config.item_core == 1)


@ray.remote
def degrees(pairs: pa.Table, first: int, end: int, items: kcore.Mask) -> kcore.Degrees:
    """Count the positives of a range's users."""
    return blocks.user_rows(pairs, first, end).degrees(items)


@ray.remote
def number_and_split(pairs: pa.Table, users: blocks.KeptUsers, numbering: blocks.Numbering) -> list[object]:
    """Finish a range's rows: rows a split, then a piece a bucket."""
    buckets = numbering.config.buckets
    counts, rows = blocks.number_and_split(pairs, users, numbering)
    return [counts, *blocks.divide(rows, rows["user"].to_numpy() % buckets, buckets)]


@ray.remote
def write(rows_to: TableStore, reviews_to: TableStore, fingerprint: str, part: str, *pieces: pa.Table) -> int:
    """Write a bucket's parts where its rows are; return how many interactions."""
    interactions, reviews = blocks.join(pieces)
    reviews_to.write_part(fingerprint, part, reviews)
    return rows_to.write_part(fingerprint, part, interactions).rows
