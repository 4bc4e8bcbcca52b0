"""The vocabulary: a source's ids in byte order, each with a dense int32 index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.tables import TABLES

Codes = npt.NDArray[np.int32]


def vocabulary(parts: Sequence[pa.Array]) -> tuple[pa.Array, list[Codes]]:
    """Merge the distinct ids of all parts.

    Returns
    -------
    tuple
        The ids in the order of their UTF-8 bytes, and for each part the places of its ids among them (int32).
    """
    coded = [pa.DictionaryArray.from_arrays(np.arange(len(ids), dtype=np.int32), ids) for ids in parts]
    merged = pa.chunked_array(coded, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    ids = merged.chunk(0).dictionary if merged.num_chunks else pa.array([], pa.string())
    order = pc.sort_indices(ids).to_numpy()
    place = np.empty(len(ids), dtype=np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    return ids.take(pa.array(order)), [place[part.indices.to_numpy()] for part in merged.chunks]


def distinct(ids: pa.ChunkedArray) -> tuple[pa.Array, Codes]:
    """Return a column's distinct ids, in no order, and the place of each row's id among them (int32)."""
    coded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    coded = coded.unify_dictionaries().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    codes: Codes = coded.indices.to_numpy().astype(np.int32, copy=False)
    used = np.zeros(len(coded.dictionary), dtype=bool)
    used[codes] = True
    if used.all():
        return coded.dictionary, codes
    return coded.dictionary.filter(pa.array(used)), dense(used)[codes]


def dense(keep: npt.NDArray[np.bool_]) -> Codes:
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
