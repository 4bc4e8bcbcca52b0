"""The stage's Ray tasks: each is one function of :mod:`hnlm_ray.prepare.blocks` on one block.

Apart from the stage so that a worker which runs them does not import Ray Data, which takes seconds.
"""

from __future__ import annotations

import pyarrow as pa
import ray

from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare import blocks, index, kcore


@ray.remote
def scatter(marked: pa.Table, buckets: int) -> list[object]:
    """Divide a block's positives by user: the tally, then a piece a bucket."""
    tally, pieces = blocks.positives_by_user(marked, buckets)
    return [tally, *pieces]


@ray.remote(num_returns=2)
def unique(given: bool, *pieces: pa.Table) -> tuple[dict[str, int], pa.Table]:  # noqa: FBT001
    """Join a bucket's pieces: counts, and one row a pair."""
    return blocks.unique_pairs(pieces, given=given)


@ray.remote
def ids(rows: pa.Table) -> tuple[pa.Array, pa.Array]:
    """List the distinct users and items of a block."""
    return index.vocabulary([rows["user_id"]]), index.vocabulary([rows["item_id"]])


@ray.remote
def encode(rows: pa.Table, known: tuple[pa.Array, pa.Array], given: bool) -> pa.Table:  # noqa: FBT001
    """Replace a block's ids by codes."""
    return blocks.encode(rows, *known, given=given)


@ray.remote
def count(coded: pa.Table, members: kcore.Members, all_rows: bool) -> kcore.BlockDegrees:  # noqa: FBT001
    """Count a block's degrees among the members."""
    return blocks.degrees(coded, members, all_rows_count_for_items=all_rows)


@ray.remote
def renumber(coded: pa.Table, numbering: blocks.Numbering, buckets: int) -> list[pa.Table] | pa.Table:
    """Divide a block's final rows: a piece a bucket."""
    pieces = blocks.renumber(coded, numbering, buckets)
    return pieces if buckets > 1 else pieces[0]


@ray.remote(num_returns=3)
def split(
    numbering: blocks.Numbering, config: PrepareConfig, *pieces: pa.Table
) -> tuple[dict[str, int], pa.Table, pa.Table]:
    """Join a bucket's final pieces: rows a split, its part of interactions and its part of reviews."""
    return blocks.split_bucket(pieces, numbering, config)
