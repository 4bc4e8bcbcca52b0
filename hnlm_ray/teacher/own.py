"""The files of your own embeddings: which are there, and what their heads say."""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.hashing import fingerprint_files
from hnlm_ray.base.text import first_line
from hnlm_ray.config import Config
from hnlm_ray.workspace.folder import resolve_filesystem

SIDES: Final = ("users", "items")
MAX_DIM: Final = 65_536
_FORMATS = "users.parquet and items.parquet (columns id and vector), or .npy with .ids.txt"

_NO_HEAD: Final = (
    *(ValueError, EOFError, OSError),
    *(SyntaxError, MemoryError, RecursionError, tokenize.TokenError),  # of Python's parser, which numpy asks
)


@dataclass(frozen=True)
class VectorFile:
    """Vectors of users or items: ``path`` is the .parquet or the .npy, ``ids`` the .ids.txt beside the latter."""

    filesystem: pafs.FileSystem
    path: str
    ids: str | None

    @property
    def paths(self) -> list[str]:
        """All its files."""
        return [self.path, *([] if self.ids is None else [self.ids])]


@dataclass(frozen=True)
class NpyHead:
    """What the head of a .npy file says: ``rows`` vectors of length ``dim``, numbers from byte ``offset`` on."""

    rows: int
    dim: int
    dtype: np.dtype[Any]
    offset: int


def find_own(folder: str) -> dict[str, VectorFile]:
    """Return the files of ``teacher.embeddings`` by side.

    Raises
    ------
    InputError
        When a side has none, only half of a pair, or both formats.
    """
    filesystem, root = resolve_filesystem(folder)
    return {side: _find_side(filesystem, f"{root}/{side}") for side in SIDES}


def _find_side(filesystem: pafs.FileSystem, stem: str) -> VectorFile:
    names = [f"{stem}.parquet", f"{stem}.npy", f"{stem}.ids.txt"]
    try:
        infos = filesystem.get_file_info(names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"can't look at {stem}.* of teacher.embeddings: {first_line(error)}") from error
    parquet, npy, ids = (info.type == pafs.FileType.File for info in infos)
    if parquet and npy:
        raise InputError(f"teacher.embeddings has both {names[0]} and {names[1]}: keep one of them")
    if parquet:
        return VectorFile(filesystem, names[0], None)
    if npy and ids:
        return VectorFile(filesystem, names[1], names[2])
    missing = names[2] if npy else f"{stem}.parquet or {stem}.npy"
    raise InputError(f"teacher.embeddings lacks {missing}: give {_FORMATS}, in one folder")


def own_identity(folder: str) -> str:
    """Return the hash of the names and contents of the files: what they give, wherever they lie."""
    files = [(file.filesystem, path) for file in find_own(folder).values() for path in file.paths]
    return f"own@{fingerprint_files(files)[:16]}"


def check_teacher(config: Config) -> None:
    """Check that your own embeddings are there and that their heads fit, without reading vectors.

    Raises
    ------
    InputError
        Naming the file that is missing or can't be used.
    """
    if config.teacher.embeddings is not None:
        for file in find_own(config.teacher.embeddings).values():
            check_head(file)


def check_head(file: VectorFile) -> None:
    """Check the columns and types that a file announces; InputError where they can't be used."""
    if file.ids is not None:
        npy_head(file)
        return
    with open_input(file.filesystem, file.path) as stream:
        open_parquet(file.path, stream)


def open_input(filesystem: pafs.FileSystem, path: str) -> pa.NativeFile:
    """Open a file for reading; InputError where that can't be done."""
    try:
        return filesystem.open_input_file(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} can't be opened ({first_line(error)}): check its permissions") from error


def open_parquet(path: str, stream: pa.NativeFile) -> pq.ParquetFile:
    """Open a Parquet file of columns id and vector; InputError where it is none, or their types can't be used."""
    try:
        opened = pq.ParquetFile(stream)
        schema = opened.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file ({first_line(error)}): write it again") from error
    for name, accepts, wanted in (("id", _is_id, "string or integer"), ("vector", _is_vector, "a list of floats")):
        if schema.names.count(name) != 1:
            raise InputError(f"{path} needs one column '{name}' and has {', '.join(schema.names)[:200]}: rename it")
        if not accepts(schema.field(name).type):
            raise InputError(f"column {name} of {path} is {schema.field(name).type}, but {wanted} is needed: cast it")
    return opened


def _is_id(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _is_vector(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and bool(pa.types.is_floating(kind.value_type))


def npy_head(file: VectorFile) -> NpyHead:
    """Read the head of a .npy file, never unpickling; InputError unless it is float[n, d], whole and in C order."""
    with open_input(file.filesystem, file.path) as stream:
        shape, fortran, dtype = _raw_head(file.path, stream)
        head = NpyHead(shape[0] if shape else 0, shape[1] if len(shape) == 2 else 0, dtype, stream.tell())
        size = stream.size()
    if dtype.kind != "f" or len(shape) != 2 or not 0 < head.dim <= MAX_DIM:
        found = f"{dtype.name}{list(shape)}"
        raise InputError(f"{file.path} holds {found}, but float[n, d], d up to {MAX_DIM}, is needed: save it so")
    if fortran:
        raise InputError(f"{file.path} is in Fortran order: save numpy.ascontiguousarray of it")
    if size != head.offset + head.rows * head.dim * dtype.itemsize:
        raise InputError(f"{file.path} has {size} bytes, which is not what its head announces: write it again")
    return head


def _raw_head(path: str, stream: pa.NativeFile) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    read: Any = np.lib.format  # numpy leaves it unannotated
    try:
        version = read.read_magic(stream)
        headers = {(1, 0): read.read_array_header_1_0, (2, 0): read.read_array_header_2_0}
        if version in headers:
            shape, fortran, dtype = headers[version](stream)
            return shape, fortran, dtype
    except _NO_HEAD as error:
        raise InputError(f"{path} is no readable .npy file ({first_line(error)}): write it by numpy.save") from error
    raise InputError(f"{path} is a .npy file of version {version}, which plain arrays don't need: write it anew")
