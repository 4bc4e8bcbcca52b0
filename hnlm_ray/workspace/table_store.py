"""One table of a workspace.

Layout: ``tables/<name>/<fingerprint>/<part>.parquet`` and ``tables/<name>/manifest.json``. Parts are
written whole, under the fingerprint of what they are made from; readers see only the files that the
manifest lists, and the manifest is written last. So nothing relies on rename (object stores have none):
a killed run leaves parts that the next one reuses, and at worst truncated ones (as many as were being
written), which :meth:`TableStore.parts` recognises by their missing Parquet footer and leaves out.

What a folder holds, while other processes write there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs
from pydantic import ValidationError

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.workspace.manifest import Manifest, TableFile
from hnlm_ray.workspace.tables import MORE, TABLES


def listed(filesystem: pafs.FileSystem, folder: str) -> list[pafs.FileInfo]:
    """Return what is in a folder; nothing where there is no folder.

    Arrow opens a folder, and only where that fails it looks whether there is one: a folder that another process makes
    in between is to it one that is there and can't be listed. Then it is listed once more.
    """
    selector = pafs.FileSelector(folder, allow_not_found=True)
    try:
        found: list[pafs.FileInfo] = filesystem.get_file_info(selector)
    except FileNotFoundError:
        found = filesystem.get_file_info(selector)
    return found


log = logging.getLogger(__name__)
_FINGERPRINT_CHARS = 16


def unreadable(place: str, error: PermissionError) -> WorkspaceError:
    """Return the error of a folder that is there and may not be read."""
    reason = str(error).strip().splitlines()[0]
    return WorkspaceError(f"{place} can't be read ({reason}): give read permission, or choose another --workspace")


@dataclass(frozen=True)
class TableStore:
    """Reads and writes one table; picklable, so that remote tasks write their own parts."""

    filesystem: pafs.FileSystem
    folder: str
    name: str

    @property
    def schema(self) -> pa.Schema:
        """The table's declared schema."""
        return TABLES[self.name]

    @property
    def _fields(self) -> dict[str, pa.Field]:
        """The fields that its files may have, by name."""
        more = MORE.get(self.name, pa.schema([]))
        return {field.name: field for field in [*self.schema, *more]}

    def write_part(self, fingerprint: str, part: str, rows: pa.Table) -> TableFile:
        """Write one part whole; visible only once a manifest lists it."""
        there = [field for name, field in self._fields.items() if name in {*self.schema.names, *rows.column_names}]
        schema, buffer = pa.schema(there), pa.BufferOutputStream()
        pq.write_table(rows.select(schema.names).cast(schema), buffer, compression="zstd")
        data = buffer.getvalue()
        path = f"{fingerprint[:_FINGERPRINT_CHARS]}/{part}.parquet"
        self.filesystem.create_dir(self.parts_folder(fingerprint), recursive=True)
        with self.filesystem.open_output_stream(f"{self.folder}/{path}") as stream:
            stream.write(data)
        return TableFile(path=path, rows=rows.num_rows, bytes=data.size)

    def parts_folder(self, fingerprint: str) -> str:
        """Return the folder of a fingerprint's parts."""
        return f"{self.folder}/{fingerprint[:_FINGERPRINT_CHARS]}"

    def has_part(self, fingerprint: str, part: str) -> bool:
        """Tell whether a part was written whole."""
        info = self.filesystem.get_file_info(f"{self.parts_folder(fingerprint)}/{part}.parquet")
        return info.type == pafs.FileType.File and self._complete_part(info) is not None

    def parts(self, fingerprint: str, prefix: str = "") -> tuple[TableFile, ...]:
        """List the complete parts whose name starts with ``prefix``, by name; a truncated one is left out."""
        infos = sorted(listed(self.filesystem, self.parts_folder(fingerprint)), key=lambda info: str(info.path))
        files = (self._complete_part(info) for info in infos if _is_part(info, prefix))
        return tuple(file for file in files if file is not None)

    def _complete_part(self, info: pafs.FileInfo) -> TableFile | None:
        relative = "/".join(info.path.rsplit("/", 2)[-2:])
        try:
            rows = pq.read_metadata(info.path, filesystem=self.filesystem).num_rows
        except (pa.ArrowInvalid, OSError):
            # Not removed: a reader (`hnlm status`) may look while the writer is still at it.
            log.debug("%s is not whole: it is being written, or was cut off", info.path)
            return None
        return TableFile(path=relative, rows=rows, bytes=info.size)

    def remove_part(self, fingerprint: str, part: str) -> None:
        """Remove one part."""
        self.filesystem.delete_file(f"{self.parts_folder(fingerprint)}/{part}.parquet")

    def remove_parts(self, fingerprint: str) -> None:
        """Remove all parts of a fingerprint, before they are written anew."""
        folder = self.parts_folder(fingerprint)
        if self.filesystem.get_file_info(folder).type == pafs.FileType.Directory:
            self.filesystem.delete_dir(folder)

    def read_parts(self, files: Iterable[TableFile], columns: list[str] | None = None) -> pa.Table:
        """Read these parts, in the order given; WorkspaceError where one is damaged."""
        wanted = columns or self.schema.names
        schema = pa.schema([self._fields[name] for name in wanted])
        tables = [self._read_part(file.path, schema) for file in files]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def _read_part(self, path: str, schema: pa.Schema) -> pa.Table:
        whole, columns = f"{self.folder}/{path}", schema.names
        try:
            # No pq.read_table: it is a data set of one file, and imports all that a data set may be (and pandas).
            with pq.ParquetFile(whole, filesystem=self.filesystem, pre_buffer=True) as file:
                table = file.read(columns=columns).select(columns).cast(schema)
            table.validate(full=True)  # Parquet does not check that its texts are UTF-8
        except (FileNotFoundError, PermissionError):
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:  # the last two: other columns
            reason = str(error).strip().split("\n", 1)[0][:200]
            raise WorkspaceError(f"{whole} is damaged ({reason}): remove that file, then run `hnlm run`") from error
        return table

    def manifest(self) -> Manifest | None:
        """Return the published manifest; None when there is none, or it was cut off while being written."""
        path = f"{self.folder}/manifest.json"
        try:
            with self.filesystem.open_input_stream(path) as stream:
                return Manifest.model_validate_json(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise unreadable(self.folder, error) from error
        except ValidationError:
            log.warning("%s is damaged: the table counts as not published", path)
            return None

    def publish(self, manifest: Manifest) -> None:
        """Make the manifest's files the table; all other files of it are removed afterwards."""
        self.filesystem.create_dir(self.folder, recursive=True)
        data = manifest.model_dump_json(indent=1, by_alias=True).encode()
        with self.filesystem.open_output_stream(f"{self.folder}/manifest.json") as stream:
            stream.write(data)
        self._remove_other_contents(manifest.content)

    def _remove_other_contents(self, keep: str) -> None:
        for info in self.filesystem.get_file_info(pafs.FileSelector(self.folder)):
            if info.type == pafs.FileType.Directory and info.base_name != keep[:_FINGERPRINT_CHARS]:
                self.filesystem.delete_dir(info.path)

    def intact(self, manifest: Manifest) -> bool:
        """Tell whether each file that the manifest lists is there with its size."""
        infos = self.filesystem.get_file_info([f"{self.folder}/{file.path}" for file in manifest.files])
        return all(info.size == file.bytes for info, file in zip(infos, manifest.files, strict=True))

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Read the published table.

        Raises
        ------
        WorkspaceError
            When it is not published, or a file of it is missing.
        """
        manifest = self.published()
        if not self.intact(manifest):
            raise self._incomplete()
        try:
            return self.read_parts(manifest.files, columns)
        except FileNotFoundError as error:
            raise WorkspaceError(f"table '{self.name}' is being replaced by a run: try again after it") from error

    def read_file(self, index: int, columns: list[str] | None = None) -> pa.Table:
        """Read one file of the published table, by its place in the manifest."""
        return self.read_parts(self.published().files[index : index + 1], columns)

    def paths(self) -> list[str]:
        """Return the published files, for readers that stream (:func:`ray.data.read_parquet`)."""
        return [f"{self.folder}/{file.path}" for file in self.published().files]

    def published(self) -> Manifest:
        """Return the manifest of a table that must be there.

        Raises
        ------
        WorkspaceError
            When it is not.
        """
        manifest = self.manifest()
        if manifest is None:
            raise self._incomplete()
        return manifest

    def _incomplete(self) -> WorkspaceError:
        return WorkspaceError(f"table '{self.name}' is not complete in {self.folder}: run `hnlm run` to make it")


def _is_part(info: pafs.FileInfo, prefix: str) -> bool:
    name: str = info.base_name
    return name.startswith(prefix) and name.endswith(".parquet")
