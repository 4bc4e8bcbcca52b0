"""Interactions in Parquet: a file a split, or one table with a column `split`.

Columns of ids in Parquet, and the dense indices they become; pyarrow is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.files.assembling import Pairs, assemble

Ids = Any
"""A pyarrow array of int64 or large_string."""


def read_columns(path: Path, columns: Sequence[str]) -> Any:  # noqa: ANN401 pyarrow is untyped
    """Return the columns of a file, or of a folder of them, as a table of int64 and large_string.

    InputError for what can't be read, a missing column, another type, an empty value.
    """
    import pyarrow as pa
    from pyarrow import dataset

    try:
        source = dataset.dataset(path, format="parquet", partitioning="hive" if path.is_dir() else None)
        if missing := set(columns) - set(source.schema.names):
            raise InputError(f"{path} has no column {min(missing)!r}, it has {', '.join(source.schema.names)[:200]}")
        table = source.to_table(list(columns))
        return pa.table({name: _normalised(path, table[name], name) for name in columns})
    except (pa.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:120]
        raise InputError(f"{path} can't be read as Parquet ({told}): check the file") from error


def is_text(kind: Any) -> bool:  # noqa: ANN401 pyarrow is untyped
    """Whether an Arrow type is text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _normalised(path: Path, column: Any, name: str) -> Any:  # noqa: ANN401 pyarrow is untyped
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or is_text(kind)):
        raise InputError(f"{path}: column {name} is {kind}; give whole numbers or text")
    found = column.cast(pa.large_string() if is_text(kind) else pa.int64())
    if found.null_count:
        raise InputError(f"{path}: column {name} has {found.null_count} empty values; leave these rows out")
    return found


def same_type(columns: Mapping[str, Any], place: str) -> list[Any]:
    """Return the columns; InputError where one holds numbers and another text."""
    kinds = {str(column.type): name for name, column in columns.items()}
    if len(kinds) > 1:
        told = " and ".join(f"{kind} in {name}" for kind, name in kinds.items())
        raise InputError(f"{place} is {told}: write all as numbers or all as text")
    return list(columns.values())


def vocabulary(columns: Sequence[Any]) -> Ids:
    """Return the distinct ids of some columns of one type, rising."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = [chunk for column in columns for chunk in column.chunks]
    distinct = pa.chunked_array(chunks, type=columns[0].type).unique()
    return distinct.take(pc.sort_indices(distinct))


def indices(column: Any, ids: Ids) -> NDArray[np.int32]:  # noqa: ANN401 pyarrow is untyped
    """Return the index of each value among ``ids``, int32[rows]; -1 where it is none of them."""
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(column, value_set=ids), -1)
    return np.asarray(found.to_numpy(), np.int32)


SPLITS: Final = ("train", "validation", "test")
SIDES: Final = ("user", "item")


def read_parquet(folder: str | Path) -> tuple[CFData, Ids, Ids]:
    """Read ``train.parquet`` (and ``validation``, ``test``), or ``interactions.parquet`` (a file or a folder of them).

    Columns ``user`` and ``item`` hold whole numbers or text; a single table also has ``split`` with train, validation
    or test. Other columns are not read. Numbers that are 0, 1, ... already keep their meaning.

    Returns
    -------
    CFData, users, items
        The data, and the source's own id of each index, rising (pyarrow arrays).

    Raises
    ------
    InputError
        Missing files or columns, other types, nulls, unknown splits, a pair given twice.
    """
    root = Path(folder)
    tables = _of_one_table(root) if (root / "interactions.parquet").exists() else _of_files(root)
    if "train" not in tables or not len(tables["train"]):
        raise InputError(
            f"{folder} has no training pair: give train.parquet, or interactions.parquet with split 'train'"
        )
    columns = {side: {name: rows[side] for name, rows in tables.items()} for side in SIDES}
    ids = {side: vocabulary(same_type(columns[side], f"{folder}: column {side}")) for side in SIDES}
    splits = {
        name: Pairs(_indices(columns["user"][name], ids["user"]), _indices(columns["item"][name], ids["item"]))
        for name in tables
    }
    return assemble(splits, str(folder)), ids["user"], ids["item"]


def _indices(column: Any, ids: Ids) -> NDArray[np.int64]:  # noqa: ANN401 pyarrow is untyped
    return indices(column, ids).astype(np.int64)


def _of_files(root: Path) -> Mapping[str, Any]:
    paths = {name: root / f"{name}.parquet" for name in SPLITS}
    return {name: read_columns(path, SIDES) for name, path in paths.items() if path.exists()}


def _of_one_table(root: Path) -> Mapping[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    path = root / "interactions.parquet"
    if given := [name for name in SPLITS if (root / f"{name}.parquet").exists()]:
        raise InputError(f"{root} holds interactions.parquet and {given[0]}.parquet: keep one of them")
    rows = read_columns(path, (*SIDES, "split"))
    if not is_text(rows["split"].type):
        raise InputError(f"{path}: column split is {rows['split'].type}; it holds one of {', '.join(SPLITS)}")
    split = rows["split"].cast(pa.large_string())
    names = set(split.unique().to_pylist())
    if unknown := names - set(SPLITS):
        raise InputError(f"{path}: column split holds {min(unknown)[:40]!r}; allowed: {', '.join(SPLITS)}")
    return {name: rows.filter(pc.equal(split, name)) for name in SPLITS if name in names}
