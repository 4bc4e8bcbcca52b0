"""The ids of your own embeddings: read, checked, and matched to the run's."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.teacher.own import VectorFile, npy_head, open_input, open_parquet
from hnlm_ray.workspace.folder import first_line

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
