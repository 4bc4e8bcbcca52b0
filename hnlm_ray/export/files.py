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

from hnlm_ray.base.csv_text import escaped
from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line
from hnlm_ray.workspace.folder import resolve_filesystem

Format = Literal["parquet", "csv"]


@dataclass(frozen=True)
class Target:
    """The file to write: ``path`` within the filesystem, ``shown`` as it was named, by the option ``option``."""

    filesystem: pafs.FileSystem
    path: str
    shown: str
    option: str = "--out"

    @classmethod
    def named(cls, uri: str, option: str = "--out") -> Target:
        """Return the target at a local path or an s3:// or gs:// URI; InputError where it can't be one."""
        filesystem, path = resolve_filesystem(uri)
        return cls(filesystem, path, uri, option)

    def inside(self, name: str) -> Target:
        """Return the file of this name in a folder."""
        return Target(self.filesystem, f"{self.path}/{name}", f"{self.shown}/{name}", self.option)

    def make_folder(self) -> None:
        """Make a folder, unless it is there; InputError where that can't be done."""
        try:
            self.filesystem.create_dir(self.path, recursive=True)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self.shown} can't be made ({first_line(error)}): choose another {self.option}"
            ) from error

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
            raise InputError(
                f"can't look at {self.shown} ({first_line(error)}): choose another {self.option}"
            ) from error
        if kind == pafs.FileType.Directory:
            raise InputError(f"{self.shown} is a folder: name a file in it, such as negatives.parquet")
        if kind == pafs.FileType.File and not force:
            raise InputError(f"{self.shown} exists: choose another {self.option}, or replace it with --force")
        if isinstance(self.filesystem, pafs.LocalFileSystem) and not os.path.isdir(os.path.dirname(self.path)):
            raise InputError(
                f"there is no folder {os.path.dirname(self.path)}: make it, or choose another {self.option}"
            )


@dataclass(frozen=True)
class Written:
    """What a file holds: its rows, and the text cells that were escaped (of CSV; see :mod:`hnlm_ray.base.csv_text`)."""

    rows: int
    escaped_cells: int


def write_rows(target: Target, kind: Format, schema: pa.Schema, rows: Iterable[pa.Table]) -> Written:
    """Write rows beside the target, then move them there: whole or not at all.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    written = changed = 0
    with whole_file(target) as stream, _writer(kind, stream, schema) as write:
        for part in rows:
            changed += write(part)
            written += part.num_rows
    return Written(written, changed)


def write_file(target: Target, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    with whole_file(target) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole_file(target: Target) -> Iterator[Any]:
    """Open a stream beside the target; what is written is moved there at the end.

    Stopped or failed, the target is as it was, and what was written beside it is removed.

    Raises
    ------
    InputError
        The place can't be written, or is full.
    """
    folder, _, name = target.path.rpartition("/")
    scratch = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        with _removed_unless_moved(target.filesystem, scratch):
            with target.filesystem.open_output_stream(scratch) as stream:
                yield stream
            target.filesystem.move(scratch, target.path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{target.shown} can't be written ({first_line(error)}): choose another {target.option}"
        ) from error


@contextlib.contextmanager
def _removed_unless_moved(filesystem: pafs.FileSystem, scratch: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(pa.ArrowException, OSError):
            filesystem.delete_file(scratch)
        raise


@contextlib.contextmanager
def _writer(kind: Format, stream: Any, schema: pa.Schema) -> Iterator[Callable[[pa.Table], int]]:  # noqa: ANN401  Arrow's stream
    """Give a function that writes a table and returns how many of its cells were escaped."""
    if kind == "parquet":
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            yield lambda rows: _write_parquet(writer, rows)
    else:
        with pacsv.CSVWriter(stream, schema) as writer:
            yield lambda rows: _write_csv(writer, rows)


def _write_parquet(writer: pq.ParquetWriter, rows: pa.Table) -> int:
    writer.write_table(rows)
    return 0  # Parquet is exact


def _write_csv(writer: pacsv.CSVWriter, rows: pa.Table) -> int:
    changed = 0
    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            column, count = escaped(rows[field.name])
            rows, changed = rows.set_column(place, field, column), changed + count
    writer.write_table(rows)
    return changed
