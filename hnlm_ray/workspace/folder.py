"""The folder of a run, local or in an object store, through one pyarrow filesystem; exported models lie in it too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs as pafs
from pydantic import BaseModel, ValidationError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line
from hnlm_ray.workspace.table_store import TableStore, unreadable
from hnlm_ray.workspace.tables import TABLES

T = TypeVar("T", bound=BaseModel)


def resolve_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the filesystem of a URI or local path, and the path inside it.

    Raises
    ------
    InputError
        When the URI's scheme is unknown or its store can't be reached.
    """
    try:
        if len(urlsplit(uri).scheme) <= 1 or "://" not in uri:
            return pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(uri))
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"'{uri}' can't be opened ({first_line(error)}): use a local path, s3:// or gs://") from error
    if not path.strip("/"):
        raise InputError(f"'{uri}' names no folder: write s3://bucket/path, gs://bucket/path, or use a local path")
    return filesystem, path.rstrip("/")


@dataclass(frozen=True)
class Workspace:
    """The tables, journals and logs of one run."""

    uri: str
    filesystem: pafs.FileSystem
    root: str

    @classmethod
    def open(cls, uri: str) -> Workspace:
        """Open a run's folder without touching it."""
        filesystem, root = resolve_filesystem(uri)
        return cls(uri, filesystem, root)

    @property
    def local_path(self) -> str | None:
        """The folder's path when it lies on this machine, else None."""
        return self.root if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def create(self) -> None:
        """Make the folder and prove that it can be written.

        Raises
        ------
        InputError
            When it can't.
        """
        try:
            self.filesystem.create_dir(f"{self.root}/tables", recursive=True)
            self.write_json(".write-test.json", _Empty())
            self.filesystem.delete_file(f"{self.root}/.write-test.json")
        except OSError as error:
            raise InputError(
                f"workspace {self.uri} can't be written ({first_line(error)}): "
                "choose another with --workspace, or give write permission"
            ) from error

    def table(self, name: str) -> TableStore:
        """Return the store of a declared table."""
        if name not in TABLES:
            raise KeyError(name)
        return TableStore(self.filesystem, f"{self.root}/tables/{name}", name)

    def write_json(self, path: str, value: BaseModel) -> None:
        """Write a small JSON file below the folder."""
        target = f"{self.root}/{path}"
        self.filesystem.create_dir(os.path.dirname(target), recursive=True)
        with self.filesystem.open_output_stream(target) as stream:
            stream.write(value.model_dump_json(indent=1, by_alias=True).encode())

    def read_json(self, path: str, model: type[T]) -> T | None:
        """Read a small JSON file; None when it is absent or was cut off while being written."""
        try:
            with self.filesystem.open_input_stream(f"{self.root}/{path}") as stream:
                return model.model_validate_json(stream.read())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None
        except PermissionError as error:
            raise unreadable(self.uri, error) from error

    def exists(self, path: str) -> bool:
        """Tell whether there is a file below the folder."""
        return bool(self.filesystem.get_file_info(f"{self.root}/{path}").type == pafs.FileType.File)

    def delete(self, path: str) -> None:
        """Delete a file below the folder, if it is there."""
        if self.exists(path):
            self.filesystem.delete_file(f"{self.root}/{path}")


class _Empty(BaseModel):
    """Content of the write test."""


def export_is_whole(workspace: Workspace) -> bool:
    """Tell whether each file that the table ``finetuned_model`` lists is there with its size."""
    rows = workspace.table("finetuned_model").read().to_pylist()
    infos = workspace.filesystem.get_file_info([f"{workspace.root}/{row['path']}" for row in rows])
    return all(info.size == row["bytes"] for info, row in zip(infos, rows, strict=True))
