"""Checkpoints of a fine-tuning below the run's folder: whole or absent, whenever a worker or the driver dies.

Each worker writes its files under ``step-000020/``; when all have, the first writes ``step-000020.json`` that
lists them with their sizes. A checkpoint counts only when that list is there and true.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from pyarrow import fs as pafs
from pydantic import BaseModel, ConfigDict, field_validator

from hnlm_ray.workspace import Workspace, listed
from hnlm_ray.workspace.manifest import Counted

_LOCAL = pafs.LocalFileSystem()


class CheckpointFiles(BaseModel):
    """The list that makes a checkpoint count."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    step: Counted
    workers: Counted
    files: dict[str, Counted]

    @field_validator("files")
    @classmethod
    def _are_below_the_folder(cls, files: dict[str, int]) -> dict[str, int]:
        """Let a list name files beside it alone, whoever wrote it."""
        if any(part in {"", ".", ".."} for path in files for part in path.split("/")):
            raise ValueError("a checkpoint's files lie in its folder")
        return files


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one fine-tuning, by its fingerprint."""

    workspace: Workspace
    name: str

    @classmethod
    def of(cls, workspace: Workspace, fingerprint: str) -> Self:
        """Return those of the fine-tuning with this fingerprint."""
        return cls(workspace, fingerprint[:16])

    @property
    def folder(self) -> str:
        """Their folder, in the workspace's filesystem."""
        return f"{self.workspace.root}/checkpoints/{self.name}"

    def upload(self, step: int, local: str) -> None:
        """Copy a worker's files of a step below the folder."""
        target = f"{self.folder}/{_name(step)}"
        self.workspace.filesystem.create_dir(target, recursive=True)
        pafs.copy_files(local, target, source_filesystem=_LOCAL, destination_filesystem=self.workspace.filesystem)

    def commit(self, step: int, workers: int) -> None:
        """Make a step's files the latest checkpoint, then remove the others; for one worker, after all uploaded."""
        files = {info.path: info.size for info in self._files(_name(step))}
        relative = {path.removeprefix(f"{self.folder}/"): size for path, size in files.items()}
        listed = CheckpointFiles(step=step, workers=workers, files=relative)
        self.workspace.write_json(f"checkpoints/{self.name}/{_name(step)}.json", listed)
        self._remove_all_but(step)

    def latest(self) -> CheckpointFiles | None:
        """Return the newest whole checkpoint; None: start from the beginning."""
        listed = {step: self._listed(step) for step in self._steps()}
        whole = [found for step, found in listed.items() if found and found.step == step and self._is_whole(found)]
        return max(whole, key=lambda found: found.step, default=None)

    def download(self, found: CheckpointFiles, local: str) -> str:
        """Copy a checkpoint's files to a local folder; returns it."""
        source = f"{self.folder}/{_name(found.step)}"
        pafs.copy_files(source, local, source_filesystem=self.workspace.filesystem, destination_filesystem=_LOCAL)
        return local

    def put(self, local: str) -> None:
        """Keep a file beside the checkpoints: it counts once its size is noted beside it."""
        name = os.path.basename(local)
        with open(local, "rb") as source:
            data = source.read()
        with self.workspace.filesystem.open_output_stream(f"{self.folder}/{name}") as stream:
            stream.write(data)
        size = CheckpointFiles(step=0, workers=0, files={name: len(data)})
        self.workspace.write_json(f"checkpoints/{self.name}/{name}.json", size)

    def has(self, name: str) -> bool:
        """Tell whether a file that :meth:`put` wrote is there, whole."""
        listed = self.workspace.read_json(f"checkpoints/{self.name}/{name}.json", CheckpointFiles)
        return listed is not None and self._is_whole(listed)

    def get(self, name: str, local: str) -> str:
        """Copy a file that :meth:`put` wrote to a local folder; returns its path."""
        target = os.path.join(local, name)
        source, filesystem = f"{self.folder}/{name}", self.workspace.filesystem
        pafs.copy_files(source, target, source_filesystem=filesystem, destination_filesystem=_LOCAL)
        return target

    def remove_steps(self) -> None:
        """Remove the checkpoints, and those of other fine-tunings; files that :meth:`put` wrote stay."""
        self._remove_all_but(-1)
        parent = os.path.dirname(self.folder)
        for info in self.workspace.filesystem.get_file_info(pafs.FileSelector(parent)):
            if info.type == pafs.FileType.Directory and info.base_name != self.name:
                self.workspace.filesystem.delete_dir(info.path)

    def remove(self) -> None:
        """Remove all of this fine-tuning, files that :meth:`put` wrote too: its export is published."""
        if self.workspace.filesystem.get_file_info(self.folder).type == pafs.FileType.Directory:
            self.workspace.filesystem.delete_dir(self.folder)

    def _steps(self) -> list[int]:
        names = [info.base_name for info in listed(self.workspace.filesystem, self.folder)]
        return [int(name[5:-5]) for name in names if name.startswith("step-") and name.endswith(".json")]

    def _listed(self, step: int) -> CheckpointFiles | None:
        return self.workspace.read_json(f"checkpoints/{self.name}/{_name(step)}.json", CheckpointFiles)

    def _is_whole(self, found: CheckpointFiles) -> bool:
        infos = self.workspace.filesystem.get_file_info([f"{self.folder}/{path}" for path in found.files])
        return bool(infos) and all(info.size == size for info, size in zip(infos, found.files.values(), strict=True))

    def _files(self, below: str) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(f"{self.folder}/{below}", recursive=True)
        found = self.workspace.filesystem.get_file_info(selector)
        return [info for info in found if info.type == pafs.FileType.File]

    def _remove_all_but(self, step: int) -> None:
        for other in self._steps():
            if other != step:
                self.workspace.delete(f"checkpoints/{self.name}/{_name(other)}.json")
        for info in self.workspace.filesystem.get_file_info(pafs.FileSelector(self.folder)):
            if info.type == pafs.FileType.Directory and os.path.basename(info.path) != _name(step):
                self.workspace.filesystem.delete_dir(info.path)


def _name(step: int) -> str:
    return f"step-{step:06}"
