"""The vocabulary: a source's ids in byte order, each with a dense int32 index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.workspace.tables import TABLES

Codes = npt.NDArray[np.int32]
ITEMS_AT_ONCE = 8192
"""Items whose texts are brought together at a time."""
_DESCRIBED = ["title", "attributes", "text"]


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


@dataclass(frozen=True)
class RawItems:
    """The table ``raw_items``, part by part.

    Attributes
    ----------
    ids
        Its item_id, of all parts in their order.
    parts
        Its tables, each read when it is asked for: of most sources most items are not used.
    """

    ids: pa.ChunkedArray
    parts: Iterable[pa.Table]


def item_table(item_ids: pa.Array, raw_items: RawItems) -> pa.Table:
    """Return the table ``items``: a row for each id, with nulls where the item files lack it.

    Texts stay in chunks, of which each is below Arrow's 2 GiB; their sum may be above.
    """
    used = _used(item_ids, raw_items)
    ids = pa.chunked_array([batch["item_id"] for batch in used], pa.string())
    rows = pc.fill_null(pc.index_in(item_ids, value_set=ids.combine_chunks()), -1).to_numpy()
    starts = np.cumsum([0, *(batch.num_rows for batch in used)])
    slices = [
        pa.table(
            [
                np.arange(start, min(start + ITEMS_AT_ONCE, len(item_ids)), dtype=np.int32),
                item_ids.slice(start, ITEMS_AT_ONCE),
                *_taken(used, starts, rows[start : start + ITEMS_AT_ONCE]).columns,
            ],
            schema=TABLES["items"],
        )
        for start in range(0, len(item_ids), ITEMS_AT_ONCE)
    ]
    return pa.concat_tables(slices) if slices else TABLES["items"].empty_table()


def _used(item_ids: pa.Array, raw_items: RawItems) -> list[pa.RecordBatch]:
    """Keep the rows whose id is wanted; what is left of a part holds no memory of the rest."""
    wanted, start = pc.is_in(raw_items.ids, value_set=item_ids), 0
    kept: list[pa.RecordBatch] = []
    for part in raw_items.parts:
        rows = part.filter(wanted.slice(start, part.num_rows))
        kept += [batch for batch in rows.to_batches() if batch.num_rows]
        start += part.num_rows
    return kept


def _taken(used: Sequence[pa.RecordBatch], starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return what describes some items, given by their rows in all batches; -1 is an item that none describes."""
    of_batch = np.searchsorted(starts, rows, side="right") - 1
    batches = np.unique(of_batch[rows >= 0]).tolist()
    places = [np.flatnonzero(of_batch == batch) for batch in batches]
    found = [
        used[batch].select(_DESCRIBED).take(pa.array(rows[place] - starts[batch]))
        for batch, place in zip(batches, places, strict=True)
    ]
    at = np.full(len(rows), -1)
    if found:
        joined = np.concatenate(places)
        at[joined] = np.arange(len(joined))
    schema = pa.schema([TABLES["raw_items"].field(name) for name in _DESCRIBED])
    return pa.Table.from_batches(found, schema).combine_chunks().take(pa.array(at, mask=at < 0))
