"""Raw columns of an item file to rows of ``raw_items``."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
import pyarrow as pa

from hnlm_ray.config import ItemColumns
from hnlm_ray.sources.readers.literals import lists_as_text
from hnlm_ray.sources.readers.records import Mask, Records, RowCheck
from hnlm_ray.sources.readers.rejects import FileRejects
from hnlm_ray.sources.rows import values
from hnlm_ray.sources.rows.interaction_rows import checked_ids
from hnlm_ray.workspace.tables import TABLES

DUPLICATE = "duplicate item"
UNKNOWN = "names no item of the first file"


class ItemRows:
    """Converts the records of item files; remembers the ids so that the first row of an item wins.

    Parameters
    ----------
    names
        Which columns describe an item.
    known
        Ids that are wanted, in a further file; None: all.
    missing
        Words that say that a value is missing.
    folds
        What ids lose (``source.fold_ids``).
    links
        Columns by which further files name the items of this one.

    Attributes
    ----------
    columns
        The files' columns that are read.
    linked
        By column of ``links``: the ids of the items that have a value in it.
    """

    def __init__(
        self,
        names: ItemColumns,
        known: Container[str] | None = None,
        links: Sequence[str] = (),
        missing: Sequence[str] = (),
        folds: Sequence[str] = (),
    ) -> None:
        self._names = names
        self._known = known
        self._missing = missing
        self._folds = folds
        self._seen: set[str] = set()
        self.linked: dict[str, dict[str, list[str]]] = {name: {} for name in links}
        mapped = (names.item, names.title, *names.attributes, *names.text)
        self._described = tuple(dict.fromkeys(name for name in mapped if name is not None))
        self.columns = tuple(dict.fromkeys([*self._described, *links]))

    def table(self, records: Records, rejects: FileRejects) -> pa.Table:
        """Convert one block; schema ``TABLES["raw_items"]``."""
        check = RowCheck(records, rejects)
        ids = checked_ids(records, self._names.item, "item id", check, missing=self._missing, folds=self._folds)
        described = [name for name in self._described if name != self._names.item]
        texts = {name: values.texts(self._column(records, name)) for name in described}
        for name, column in texts.items():
            check.reject(values.has_nul(column), f"{name} has a NUL character", column)
        if self._known is not None:
            check.leave_out(~np.array([item in self._known for item in ids.to_pylist()], dtype=bool), UNKNOWN, ids)
        check.leave_out(self._repeated(ids, check), DUPLICATE, ids)
        texts[self._names.item] = ids
        keep = pa.array(check.keep)
        self._link(records, ids, keep)
        return item_table({name: column.filter(keep) for name, column in texts.items()}, self._names)

    def _column(self, records: Records, name: str) -> pa.Array:
        column = records.columns[name]
        return values.without(column, values.among(column, self._missing))

    def _repeated(self, ids: pa.Array, check: RowCheck) -> Mask:
        repeated = np.zeros(len(ids), dtype=bool)
        for row, item in enumerate(ids.to_pylist()):
            if check.keep[row]:
                repeated[row] = item in self._seen
                self._seen.add(item)
        return repeated

    def _link(self, records: Records, ids: pa.Array, keep: pa.Array) -> None:
        for name, linked in self.linked.items():
            written = values.folded(values.ids(self._column(records, name), name), self._folds)
            others = written.filter(keep).to_pylist()
            for item, other in zip(ids.filter(keep).to_pylist(), others, strict=True):
                if other:
                    linked.setdefault(other, []).append(item)


def item_table(columns: dict[str, pa.Array], names: ItemColumns) -> pa.Table:
    """Put the mapped texts together: attributes as a map without nulls, longer texts joined by newlines."""
    rows = len(columns[names.item])
    title = pa.nulls(rows, pa.string()) if names.title is None else columns[names.title]
    attributes = _rows([lists_as_text(columns[name]) for name in names.attributes], rows)
    texts = _rows([lists_as_text(columns[name]) for name in names.text], rows)
    pairs = [
        [(name, text) for name, text in zip(names.attributes, row, strict=True) if text is not None]
        for row in attributes
    ]
    joined = ["\n".join(text for text in row if text is not None) or None for row in texts]
    schema = TABLES["raw_items"]
    return pa.table(
        [columns[names.item], title, pa.array(pairs, schema.field("attributes").type), pa.array(joined, pa.string())],
        schema=schema,
    )


def _rows(columns: Sequence[pa.Array], rows: int) -> list[tuple[str | None, ...]]:
    if not columns:
        return [()] * rows
    return list(zip(*(column.to_pylist() for column in columns), strict=True))
