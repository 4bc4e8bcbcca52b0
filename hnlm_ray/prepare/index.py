"""The vocabulary: a source's ids in byte order, each with a dense int32 index."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.tables import TABLES


def vocabulary(parts: Iterable[pa.Array]) -> pa.Array:
    """Return the distinct ids of all parts in the order of their UTF-8 bytes."""
    arrays = [pa.array([], pa.string()), *parts]
    chunks = [chunk for part in arrays for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]
    distinct = pc.unique(pa.chunked_array(chunks, pa.string()))
    return distinct.take(pc.sort_indices(distinct))


def encode(ids: pa.ChunkedArray, known: pa.Array) -> npt.NDArray[np.int32]:
    """Return each id's place in the vocabulary; every id must be in it."""
    codes: npt.NDArray[np.int32] = pc.index_in(ids, value_set=known).to_numpy()
    return codes


def dense(keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Renumber what stays from 0, in the same order; -1 for what goes."""
    return np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)


def user_table(user_ids: pa.Array) -> pa.Table:
    """Return the table ``users`` of a vocabulary."""
    return pa.table([np.arange(len(user_ids), dtype=np.int32), user_ids], schema=TABLES["users"])


def item_table(item_ids: pa.Array, raw_items: pa.Table) -> pa.Table:
    """Return the table ``items``: a row for each id, with nulls where the item file lacks it."""
    known = raw_items.combine_chunks()
    rows = pc.index_in(item_ids, value_set=known["item_id"].combine_chunks())
    described = [known[name].combine_chunks().take(rows) for name in ("title", "attributes", "text")]
    return pa.table([np.arange(len(item_ids), dtype=np.int32), item_ids, *described], schema=TABLES["items"])
