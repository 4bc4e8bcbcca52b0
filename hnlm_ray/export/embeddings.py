"""The model's vectors with the source's own ids: a file each for users and items, as teacher.embeddings reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hnlm_ray.base.errors import InputError
from hnlm_ray.export.files import Target, whole_file
from hnlm_ray.export.published import Ids, read_exported
from hnlm_ray.workspace import Workspace

EmbeddingFormat = Literal["parquet", "npy"]
SIDES: Final = ("users", "items")
SCHEMA: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("vector", pa.list_(pa.float32()), nullable=False)]
)
_ENDINGS: Final = {"parquet": (".parquet",), "npy": (".npy", ".ids.txt")}
_LINE_ENDS: Final = r"[\r\n]"


def embedding_files(kind: EmbeddingFormat) -> list[str]:
    """Return the names of the files of a format."""
    return [f"{side}{ending}" for side in SIDES for ending in _ENDINGS[kind]]


def vector_rows(workspace: Workspace, side: str, ids: Ids) -> Iterator[pa.Table]:
    """Yield (id, vector) of ``users`` or ``items``, file by file; WorkspaceError where a table can't be read."""
    key, names = side.removesuffix("s"), ids.users if side == "users" else ids.items
    for rows in read_exported(workspace, f"model_{side}", [key, "vector"]):
        yield pa.table([names.take(rows[key].combine_chunks()), rows["vector"]], schema=SCHEMA)


def write_embeddings(workspace: Workspace, folder: Target, kind: EmbeddingFormat) -> dict[str, int]:
    """Write the files into a folder, each beside its place; they are moved there once all are whole.

    Returns
    -------
    dict
        Rows by side.

    Raises
    ------
    InputError
        The folder can't be written; of npy, an id holds a line end.
    WorkspaceError
        A table can't be read.
    """
    ids = Ids.read(workspace)
    if kind == "npy":
        _check_lines(ids)
    with ExitStack() as stack:
        streams = {name: stack.enter_context(whole_file(folder.inside(name))) for name in embedding_files(kind)}
        if kind == "parquet":
            return {side: _parquet(streams[f"{side}.parquet"], vector_rows(workspace, side, ids)) for side in SIDES}
        return {side: _npy(workspace, side, ids, streams[f"{side}.npy"], streams[f"{side}.ids.txt"]) for side in SIDES}


def _check_lines(ids: Ids) -> None:
    for names in (ids.users, ids.items):
        if pc.any(pc.match_substring_regex(names, _LINE_ENDS)).as_py():
            raise InputError("an id holds a line end, which .ids.txt can't tell from the next id: use --format parquet")


def _parquet(stream: Any, parts: Iterator[pa.Table]) -> int:  # noqa: ANN401  Arrow's stream
    rows = 0
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        for part in parts:
            writer.write_table(part)
            rows += part.num_rows
    return rows


def _npy(workspace: Workspace, side: str, ids: Ids, vectors: Any, lines: Any) -> int:  # noqa: ANN401
    rows = sum(file.rows for file in workspace.table(f"model_{side}").published().files)
    for number, part in enumerate(vector_rows(workspace, side, ids)):
        flat = pc.list_flatten(part["vector"].combine_chunks()).to_numpy(zero_copy_only=False)
        if number == 0:
            header: Any = np.lib.format  # numpy leaves it unannotated
            head = {"descr": "<f4", "fortran_order": False, "shape": (rows, len(flat) // max(part.num_rows, 1))}
            header.write_array_header_1_0(vectors, head)
        vectors.write(flat.astype("<f4").tobytes())
        lines.write("".join(f"{name}\n" for name in part["id"].to_pylist()).encode())
    return rows
