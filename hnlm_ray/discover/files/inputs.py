"""The arguments of ``hnlm init`` as single files: folders and zips are opened, compression is told by content."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import InputError
from hnlm_ray.sources.readers.files import RawFile, find_files

MOST_FILES = 200
_DEEPEST = 4
_WILDCARD: Final = re.compile(r"[*?\[]")
_MAGIC_BYTES = 512
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}
_UNREADABLE: Final = {
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it (zstd -d)",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"Rar!": "is a RAR archive; unpack it",
    b"\x89HDF": "is an HDF5 file; write its tables as CSV or Parquet",
    b"SQLite format 3": "is an SQLite database; export its tables as CSV",
    b"\xd0\xcf\x11\xe0": "is an old Excel or Word file; save its sheet as CSV",
    b"%PDF": "is a PDF; a table is needed",
    b"\x89PNG": "is an image; a table is needed",
    b"\xff\xd8\xff": "is an image; a table is needed",
    b"ARROW1": "is an Arrow or Feather file; write its table as Parquet",
    b"FEA1": "is a Feather file; write its table as Parquet",
    b"ORC": "is an ORC file; write its table as Parquet",
    b"Obj\x01": "is an Avro file; write its table as Parquet",
    b"MATLAB 5.0 MAT": "is a MATLAB file; write its tables as CSV or Parquet",
    b"RDX": "is an R data file; write its table as CSV or Parquet",
    b"version https://git-lfs": "is a pointer of Git LFS, not the data; fetch the file itself with git lfs pull",
    b"\x93NUMPY": "is a NumPy array; write it as CSV or Parquet",
}
_OLD_PICKLE: Final = re.compile(rb"(\(dp|\(lp|c(pandas|numpy|__builtin__|copy_reg|builtins)[.\w]*\n|\]q\x00|\}q\x00)")
"""How pickles of the protocols 0 and 1 start."""


@dataclass(frozen=True)
class Place:
    """Where one file lies.

    Attributes
    ----------
    path
        As the user gave it, or below the folder that the user gave.
    compression
        As ``source.*.compression`` names it.
    member
        The file inside a zip.
    named
        The user named this very file: that it can't be used is an error, not a note.
    size
        Bytes as stored (zip: of the unpacked member).
    """

    path: str
    compression: str = "none"
    member: str | None = None
    named: bool = True
    size: int = 0

    @property
    def shown(self) -> str:
        """The place as messages name it."""
        return self.path if self.member is None else f"{self.path}:{self.member}"

    @property
    def base(self) -> str:
        """The file's own name, without folders."""
        return (self.member or self.path).rstrip("/").rsplit("/", 1)[-1]

    def file(self) -> RawFile:
        """Return the file for the readers."""
        return find_files(self.path)[0]


def expand(paths: Sequence[str]) -> list[Place]:
    """Turn files, folders and zips into single files.

    Raises
    ------
    InputError
        When one is missing, empty, of an unreadable kind, or there are more than 200.
    """
    places = list(dict.fromkeys(place for path in paths for place in _expand(path)))
    if len(places) > MOST_FILES:
        raise InputError(f"{len(places)} files were found, more than {MOST_FILES}: name the few that hold the data")
    if not places:
        raise InputError(f"{', '.join(paths)} holds no file: name a data file, or a folder or zip with data files")
    return places


def _expand(path: str) -> Iterator[Place]:
    if os.path.isdir(path):
        for below in _below(path):
            yield from (replace(place, named=False) for place in _lenient(below))
        return
    if "://" not in path and not os.path.exists(os.path.expanduser(path)) and not _WILDCARD.search(path):
        raise InputError(f"there is no file {path} (working directory {os.getcwd()}); correct the path")
    for file in find_files(path):
        yield from _single(path if file.path == os.path.expanduser(path) else file.name, file)


def _below(folder: str) -> list[str]:
    found: list[str] = []
    for base, folders, names in os.walk(folder):
        deep = os.path.relpath(base, folder).count(os.sep) + 1 >= _DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(base, name) for name in sorted(names) if not name.startswith(".")]
        if len(found) > MOST_FILES:
            break
    return [path for path in found if os.path.isfile(path)]


def _lenient(path: str) -> list[Place]:
    """Let a file that is merely in the folder be of any kind: the reason comes when it is sampled."""
    try:
        return list(_expand(path))
    except InputError:
        return [Place(path, named=False)]


def _single(path: str, file: RawFile) -> Iterator[Place]:
    head, size = _head(file)
    if not size:
        raise InputError(f"{path} is empty; name a file with data")
    refuse_binary(path, head)
    kind = next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), "none")
    if kind == "zip":
        yield from _members(path, file)
    else:
        yield Place(path, kind, size=size)


def refuse_binary(path: str, head: bytes) -> None:
    """Raise InputError when the first bytes are those of a kind of file that holds no readable table."""
    for magic, told in _UNREADABLE.items():
        if head.startswith(magic):
            raise InputError(f"{path} {told}")
    if (head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}) or _OLD_PICKLE.match(head):
        raise InputError(f"{path} is a pickle, which is never opened; write its table as CSV or Parquet")
    if head[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive; unpack it and name the folder")


def _head(file: RawFile) -> tuple[bytes, int]:
    try:
        with file.filesystem.open_input_file(file.path) as raw:
            return raw.read(_MAGIC_BYTES), raw.size()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"can't open {file.name} ({str(error)[:200]}); check the path and its permissions") from error


def _members(path: str, file: RawFile) -> list[Place]:
    try:
        with file.filesystem.open_input_file(file.path) as raw, zipfile.ZipFile(raw) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir() and info.file_size]
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} can't be read as zip ({str(error)[:200]}); fetch it again or unpack it") from error
    names = [info.filename for info in infos]
    if any(name == "[Content_Types].xml" for name in names):
        raise InputError(f"{path} is an Office file (Excel?); save its sheet as CSV")
    kept = [info for info in infos if not _is_clutter(info.filename)]
    if not kept:
        raise InputError(f"{path} holds no data file; name another")
    if len(kept) > MOST_FILES:
        raise InputError(
            f"{path} holds {len(kept)} files, more than {MOST_FILES}; unpack it and name the few with data"
        )
    return [Place(path, "zip", info.filename, len(kept) == 1, info.file_size) for info in kept]


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")
