"""Interactions in Parquet: a file a split, or one table with a column `split`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.files.arrow_columns import Ids, indices, is_text, read_columns, same_type, vocabulary
from hnlm_ray.cf.files.assembling import Pairs, assemble

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
