"""One file from a stream of rows: Parquet or CSV, local or in an object store, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from hnlm_ray.errors import InputError
from hnlm_ray.workspace.folder import first_line, resolve_filesystem

Format = Literal["parquet", "csv"]


@dataclass(frozen=True)
class Target:
    """The file to write: ``path`` within the filesystem, ``shown`` as it was named."""

    filesystem: pafs.FileSystem
    path: str
    shown: str

    @classmethod
    def named(cls, uri: str) -> Target:
        """Return the target at a local path or an s3:// or gs:// URI; InputError where it can't be one."""
        filesystem, path = resolve_filesystem(uri)
        return cls(filesystem, path, uri)

    def check(self, *, force: bool) -> None:
        """Refuse a target that can't be written, or must not be.

        Raises
        ------
        InputError
            It is a folder, its local folder is not there, or it is a file and ``force`` is False.
        """
        try:
            kind = self.filesystem.get_file_info(self.path).type
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"can't look at {self.shown} ({first_line(error)}): choose another --out") from error
        if kind == pafs.FileType.Directory:
            raise InputError(f"{self.shown} is a folder: name a file in it, such as negatives.parquet")
        if kind == pafs.FileType.File and not force:
            raise InputError(f"{self.shown} exists: choose another --out, or replace it with --force")
        if isinstance(self.filesystem, pafs.LocalFileSystem) and not os.path.isdir(os.path.dirname(self.path)):
            raise InputError(f"there is no folder {os.path.dirname(self.path)}: make it, or choose another --out")


def write_rows(target: Target, kind: Format, schema: pa.Schema, rows: Iterable[pa.Table]) -> int:
    """Write rows as a file, whole or not at all; returns how many.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    written = 0
    with _whole(target) as stream, _writer(kind, stream, schema) as write:
        for part in rows:
            write(part)
            written += part.num_rows
    return written


def write_file(target: Target, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    with _whole(target) as stream:
        stream.write(content)


@contextlib.contextmanager
def _whole(target: Target) -> Iterator[Any]:
    """Open a stream beside the target; what is written is moved there at the end.

    Stopped or failed, the target is as it was, and what was written beside it is removed.
    """
    folder, _, name = target.path.rpartition("/")
    scratch = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        with _removed_unless_moved(target.filesystem, scratch):
            with target.filesystem.open_output_stream(scratch) as stream:
                yield stream
            target.filesystem.move(scratch, target.path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{target.shown} can't be written ({first_line(error)}): choose another --out") from error


@contextlib.contextmanager
def _removed_unless_moved(filesystem: pafs.FileSystem, scratch: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(pa.ArrowException, OSError):
            filesystem.delete_file(scratch)
        raise


@contextlib.contextmanager
def _writer(kind: Format, stream: Any, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:  # noqa: ANN401  Arrow's stream
    if kind == "parquet":
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            yield writer.write_table
    else:
        with pacsv.CSVWriter(stream, schema) as writer:
            yield writer.write_table
