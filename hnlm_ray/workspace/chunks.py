"""A table that is made chunk by chunk and goes on after a kill: what every stage that resumes rests on.

A chunk is a part below a fingerprint of its own, so it is not of what is published. The worker that makes it writes it
whole, and it is never made again; its name says which rows it holds, so a task that Ray repeats overwrites its own.
Where a table has several parts, chunks are named after theirs, its bucket: ``b00007-...``. In the end those of a bucket
become ``part-00007`` below the table's own fingerprint; publishing it removes them. Beside chunks lie notes: small
files of those who write them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from hnlm_ray.workspace.manifest import TableFile
from hnlm_ray.workspace.table_store import TableStore, listed
from hnlm_ray.workspace.tables import KEYS


def bucket_prefix(bucket: int) -> str:
    """Return how the names of a bucket's chunks and notes begin."""
    return f"b{bucket:05}-"


@dataclass(frozen=True)
class ChunkedTable:
    """The chunks of one table; picklable, so that workers write their own.

    Attributes
    ----------
    store
        The table.
    chunks, final
        The fingerprints of its chunks, and of the parts that they become.
    """

    store: TableStore
    chunks: str
    final: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return KEYS[self.store.name]

    def keys_of(self, rows: pa.Table) -> list[tuple[Any, ...]]:
        """Return what names each row."""
        return list(zip(*(rows[name].to_pylist() for name in self.keys), strict=True))

    def written(self, bucket: int | None = None) -> dict[str, TableFile]:
        """Return the chunks that are whole, of one bucket or all, by name and in the order of names."""
        files = self.store.parts(self.chunks, "" if bucket is None else bucket_prefix(bucket))
        return {file.path.rsplit("/", 1)[1].removesuffix(".parquet"): file for file in files}

    def has(self, name: str) -> bool:
        """Tell whether a chunk was written whole."""
        return self.store.has_part(self.chunks, name)

    def write(self, name: str, rows: pa.Table) -> TableFile:
        """Write a chunk."""
        return self.store.write_part(self.chunks, name, rows)

    def remove(self, name: str) -> None:
        """Remove a chunk, so that its rows are to do again."""
        self.store.remove_part(self.chunks, name)

    def read(self, chunks: Iterable[TableFile], columns: list[str] | None = None) -> pa.Table:
        """Read chunks, in the order given."""
        return self.store.read_parts(chunks, columns)

    def sorted_rows(self, bucket: int | None = None, columns: list[str] | None = None) -> pa.Table:
        """Read what is written of one bucket or all, by key; ``columns`` hold the keys."""
        rows: pa.Table = self.read(self.written(bucket).values(), columns)
        return rows.sort_by([(name, "ascending") for name in self.keys])

    def write_final(self, rows: pa.Table, bucket: int = 0) -> TableFile:
        """Write a bucket's rows as its part of the table that is to be published."""
        return self.store.write_part(self.final, f"part-{bucket:05}", rows)

    def note_path(self, name: str) -> str:
        """Return where a note lies, or a folder of notes."""
        return f"{self.store.parts_folder(self.chunks)}/{name}"

    def notes(self, bucket: int, suffix: str) -> list[str]:
        """List the notes of a bucket that end so."""
        names = (str(info.base_name) for info in listed(self.store.filesystem, self.store.parts_folder(self.chunks)))
        return [name for name in names if name.startswith(bucket_prefix(bucket)) and name.endswith(suffix)]

    def write_note(self, name: str, text: str) -> None:
        """Write a note, over the one that is there."""
        self.store.filesystem.create_dir(self.store.parts_folder(self.chunks), recursive=True)
        with self.store.filesystem.open_output_stream(self.note_path(name)) as stream:
            stream.write(text.encode())

    def read_note(self, name: str) -> bytes:
        """Return what a note says, which may be cut off; FileNotFoundError where there is none."""
        with self.store.filesystem.open_input_stream(self.note_path(name)) as stream:
            return bytes(stream.read())

    def remove_note(self, name: str) -> None:
        """Remove a note; FileNotFoundError where there is none."""
        self.store.filesystem.delete_file(self.note_path(name))
