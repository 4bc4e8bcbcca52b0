"""Your own embeddings as the teacher: read in blocks, put at the places that their ids have in the run.

The ids of your own embeddings: read, checked, and matched to the run's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line
from hnlm_ray.teacher.own import MAX_DIM, VectorFile, find_own, npy_head, open_input, open_parquet
from hnlm_ray.teacher.vectors import Matrix, Vectors

MAX_ID_CHARS: Final = 4096
_MOST_ABSENT = 0.5
_BOM = b"\xef\xbb\xbf"


def read_ids(file: VectorFile) -> pa.Array:
    """Return the ids of a file's rows, string[n]; InputError where one is empty, too long or no UTF-8."""
    ids = _parquet_ids(file) if file.ids is None else _lines(file, file.ids)
    lengths = pc.fill_null(pc.utf8_length(ids), 0).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero((lengths == 0) | (lengths > MAX_ID_CHARS))
    if len(bad):
        what = "no id" if not lengths[bad[0]] else f"an id of {lengths[bad[0]]} characters (most: {MAX_ID_CHARS})"
        raise InputError(f"row {bad[0] + 1} of {file.ids or file.path} has {what}: give the id that the source uses")
    return ids


def _parquet_ids(file: VectorFile) -> pa.Array:
    with open_input(file.filesystem, file.path) as stream:
        opened = open_parquet(file.path, stream)
        try:
            column = opened.read(columns=["id"])["id"]
            column.validate(full=True)
            return pa.concat_arrays([pa.array([], pa.string()), *column.cast(pa.string()).chunks])
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file.path} is damaged ({first_line(error)}): write it again") from error


def _lines(file: VectorFile, path: str) -> pa.Array:
    """Read one id a line; InputError unless there are as many as vectors."""
    rows = npy_head(file).rows
    if file.filesystem.get_file_info(path).size > (rows + 1) * 4 * (MAX_ID_CHARS + 1):
        raise InputError(f"{path} is too big for {rows} ids: give one id a line, a line for each row of {file.path}")
    with open_input(file.filesystem, path) as stream:
        data = stream.read().removeprefix(_BOM)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 near byte {error.start}: save it as UTF-8") from error
    lines = [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
    if len(lines) != rows:
        raise InputError(f"{path} has {len(lines)} lines and {file.path} {rows} rows: give one id a line")
    return pa.array(lines, pa.string())


def match_ids(path: str, side: str, ids: pa.Array, known: pa.Array) -> npt.NDArray[np.int64]:
    """Return each row's place in ``known``, int64[n]; -1 where the run doesn't have the id.

    Raises
    ------
    InputError
        An id of the run stands in two rows, or more than half of the run's ids stand in none.
    """
    index: npt.NDArray[np.int64] = pc.fill_null(pc.index_in(ids, value_set=known), -1).to_numpy().astype(np.int64)
    rows = np.bincount(index[index >= 0], minlength=len(known))
    if len(rows) and rows.max() > 1:
        raise InputError(f"{path} has id {_shown(known, int(rows.argmax()))} {rows.max()} times: keep one row an id")
    absent = np.flatnonzero(rows == 0)
    if len(absent) > _MOST_ABSENT * len(known):
        found = f"which has ids such as {_shown(ids, 0)}" if len(ids) else "which is empty"
        raise InputError(
            f"{len(absent)} of the run's {len(known)} {side} (such as {_shown(known, int(absent[0]))}) are not in "
            f"{path}, {found}: write ids as the source has them"
        )
    return index


def _shown(ids: pa.Array, place: int) -> str:
    return repr(ids[place].as_py()[:60])


_BLOCK_ROWS = 8192
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class OwnVectors:
    """The vectors of one side in index order; ``unused`` rows of the file belong to ids that aren't in the run."""

    vectors: Vectors
    unused: int


def read_own(folder: str, user_ids: pa.Array, item_ids: pa.Array) -> tuple[OwnVectors, OwnVectors]:
    """Read the vectors of these users and items, string[n] each, whose place is their index.

    Memory: the files' ids, float32[users + items, d] and a block of 8192 rows.

    Raises
    ------
    InputError
        A file that is missing, damaged or of another type; vectors of different lengths, or not finite; an id
        that is empty, too long or there twice; more than half of the run's users or items without a vector.
    """
    files = find_own(folder)
    users = read_side(files["users"], "users", user_ids)
    items = read_side(files["items"], "items", item_ids)
    lengths = users.vectors.matrix.shape[1], items.vectors.matrix.shape[1]
    if lengths[0] != lengths[1]:
        raise InputError(
            f"vectors of users in {files['users'].path} have {lengths[0]} numbers and those of items {lengths[1]}: "
            "both must come from one model"
        )
    return users, items


def read_side(file: VectorFile, side: str, known: pa.Array) -> OwnVectors:
    """Read the vectors of one side for the ids ``known``, string[n]; see :func:`read_own`."""
    index = match_ids(file.path, side, read_ids(file), known)
    matrix: Matrix | None = None
    start = 0
    for block in _parquet_blocks(file) if file.ids is None else _npy_blocks(file):
        if matrix is None:
            matrix = np.zeros((len(known), block.shape[1]), np.float32)
        if block.shape[1] != matrix.shape[1]:
            raise _uneven(file.path, start + 1, block.shape[1])
        places = index[start : start + len(block)]
        rows = np.flatnonzero(places >= 0)
        matrix[places[rows]] = _finite(file.path, block, rows, start)
        start += len(block)
    if matrix is None or start != len(index):
        raise InputError(f"{file.path} changed while it was being read: run the same command again")
    there = np.zeros(len(known), bool)
    there[index[index >= 0]] = True
    return OwnVectors(Vectors(matrix, there), int((index < 0).sum()))


def _finite(path: str, block: Floats, rows: npt.NDArray[np.int64], start: int) -> Matrix:
    with np.errstate(over="ignore"):
        vectors = block[rows].astype(np.float32)
    good = np.isfinite(vectors).all(axis=1)
    if not good.all():
        row = start + int(rows[np.argmin(good)]) + 1
        raise InputError(f"row {row} of {path} has a number that is not finite in float32: mend or leave out that row")
    return vectors


def _uneven(path: str, row: int, length: int) -> InputError:
    return InputError(f"row {row} of {path} has a vector of {length} numbers: give all one length, 1 to {MAX_DIM}")


def _parquet_blocks(file: VectorFile) -> Iterator[Floats]:
    with open_input(file.filesystem, file.path) as stream:
        opened, row = open_parquet(file.path, stream), 1
        try:
            for batch in opened.iter_batches(batch_size=_BLOCK_ROWS, columns=["vector"]):
                yield _vectors(file.path, batch.column("vector"), row)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file.path} is damaged near row {row} ({first_line(error)}): write it again") from error


def _vectors(path: str, lists: pa.Array, row: int) -> Floats:
    """Return float[n, d]; a null number becomes NaN, which is refused where its row is used."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero((lengths != lengths[0]) | (lengths == 0) | (lengths > MAX_DIM))
    if len(odd):
        raise _uneven(path, row + int(odd[0]), int(lengths[odd[0]]))
    flat: Floats = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    return flat.reshape(len(lists), -1)


def _npy_blocks(file: VectorFile) -> Iterator[Floats]:
    head = npy_head(file)
    with open_input(file.filesystem, file.path) as stream:
        stream.seek(head.offset)
        for start in range(0, head.rows, _BLOCK_ROWS):
            rows = min(_BLOCK_ROWS, head.rows - start)
            data = stream.read(rows * head.dim * head.dtype.itemsize)
            yield np.frombuffer(data, head.dtype).reshape(rows, head.dim)
