"""Interactions in Parquet: a file a split, or one table with a column `split`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.files.assembling import Pairs, assemble
from hnlm_ray.errors import InputError

SPLITS: Final = ("train", "validation", "test")
Ids = NDArray[Any]


def read_parquet(folder: str | Path) -> tuple[CFData, Ids, Ids]:
    """Read ``train.parquet`` (and ``validation``, ``test``), or ``interactions.parquet`` (a file or a folder of them).

    Columns ``user`` and ``item`` hold whole numbers or text; a single table also has ``split`` with train, validation
    or test. Other columns are not read. Numbers that are 0, 1, ... already keep their meaning.

    Returns
    -------
    CFData, users, items
        The data, and the source's own id of each index, rising.

    Raises
    ------
    InputError
        Missing files or columns, other types, nulls, unknown splits, a pair given twice.
    """
    root = Path(folder)
    tables = _of_one_table(root) if (root / "interactions.parquet").exists() else _of_files(root)
    if not len(tables.get("train", ((), ()))[0]):
        raise InputError(
            f"{folder} has no training pair: give train.parquet, or interactions.parquet with split 'train'"
        )
    users, items = (np.unique(np.concatenate([columns[side] for columns in tables.values()])) for side in (0, 1))
    splits = {
        name: Pairs(np.searchsorted(users, user), np.searchsorted(items, item), users=len(users))
        for name, (user, item) in tables.items()
    }
    return assemble(splits, str(folder)), users, items


def _of_files(root: Path) -> Mapping[str, tuple[Ids, Ids]]:
    paths = {name: root / f"{name}.parquet" for name in SPLITS}
    return {name: _ids(path, _read(path, ["user", "item"])) for name, path in paths.items() if path.exists()}


def _of_one_table(root: Path) -> Mapping[str, tuple[Ids, Ids]]:
    import pyarrow.compute as pc

    path = root / "interactions.parquet"
    rows = _read(path, ["user", "item", "split"])
    given = set(rows["split"].unique().to_pylist())
    if unknown := given - set(SPLITS):
        raise InputError(f"{path}: column split holds {min(map(str, unknown))!r}; allowed: {', '.join(SPLITS)}")
    return {name: _ids(path, rows.filter(pc.equal(rows["split"], name))) for name in SPLITS if name in given}


def _read(path: Path, columns: list[str]) -> Any:  # noqa: ANN401 pyarrow is untyped
    import pyarrow as pa
    from pyarrow import dataset

    try:
        source = dataset.dataset(path, format="parquet")
        if missing := set(columns) - set(source.schema.names):
            raise InputError(f"{path} has no column {min(missing)!r}, it has {', '.join(source.schema.names)[:200]}")
        return source.to_table(columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} can't be read as Parquet ({str(error).splitlines()[0][:120]}): check the file"
        ) from error


def _ids(path: Path, rows: Any) -> tuple[Ids, Ids]:  # noqa: ANN401 pyarrow is untyped
    return _column(path, rows["user"], "user"), _column(path, rows["item"], "item")


def _column(path: Path, column: Any, name: str) -> Ids:  # noqa: ANN401 pyarrow is untyped
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: column {name} is {kind}; give whole numbers or text")
    if column.null_count:
        raise InputError(f"{path}: column {name} has {column.null_count} empty values; leave these rows out")
    if pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.int64()).to_numpy())
    return np.asarray(column.cast(pa.large_string()).to_pylist(), dtype=np.str_) if len(column) else np.zeros(0, "U1")
