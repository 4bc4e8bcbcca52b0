"""The finished runs of several machines' study folders, copied into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyarrow import fs as pafs

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import first_line
from hnlm_ray.config import Config
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.finished import CONFIG_FILE, READ, FinishedRun, read_finished
from hnlm_ray.study.study_file import read_definition, run_workspaces
from hnlm_ray.workspace import TableStore, Workspace

_SAME: Final = ("name", "methods", "searches", "seeds", "metric", "claims", "variants")
"""What the studies of two folders must have in common; each may have data sets of its own."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Merged:
    """A study's folders taken together: its definition, with all their data sets, and where each finished run lies."""

    study: StudyConfig
    runs: Mapping[Key, tuple[Workspace, FinishedRun]]
    unfinished: Mapping[Key, str]


def look_at(folders: Sequence[Workspace]) -> Merged:
    """Read the folders and see that they fit together; nothing is written.

    Raises
    ------
    InputError
        A folder holds no study, holds another one, or holds a run of the same name made from something else.
    """
    definitions = [read_definition(folder) for folder in folders]
    for folder, other in zip(folders[1:], definitions[1:], strict=True):
        _reject_other(folders[0], definitions[0], folder, other)
    datasets = {one.name: one for study in definitions for one in study.datasets}
    study = definitions[0].model_copy(update={"datasets": tuple(datasets.values())})
    runs = dict[Key, tuple[Workspace, FinishedRun]]()
    unfinished = dict[Key, str]()
    for folder, own in zip(folders, definitions, strict=True):
        for key, workspace in run_workspaces(folder, own).items():
            _take(key, workspace, runs, unfinished)
    return Merged(study, runs, {key: why for key, why in unfinished.items() if key not in runs})


def _reject_other(first: Workspace, study: StudyConfig, folder: Workspace, other: StudyConfig) -> None:
    differs = [name for name in _SAME if getattr(study, name) != getattr(other, name)]
    if differs:
        raise InputError(
            f"{first.uri} and {folder.uri} hold studies of other {', '.join(differs)}: merge folders of one study"
        )


def _take(
    key: Key, workspace: Workspace, runs: dict[Key, tuple[Workspace, FinishedRun]], unfinished: dict[Key, str]
) -> None:
    try:
        found = read_finished(workspace, *key)
    except WorkspaceError as error:
        unfinished[key] = first_line(error)
        return
    before = runs.setdefault(key, (workspace, found))
    if before[1].content != found.content:
        raise InputError(
            f"run {found.name} was made from another configuration or other data in {before[0].uri} than in "
            f"{workspace.uri}: leave one of them out, or run both from one study file"
        )


def copy_run(source: Workspace, target: Workspace) -> None:
    """Copy what a study reads of a run: a table's files first, then its manifest; the same twice changes nothing.

    Raises
    ------
    InputError
        A file can't be read or written.
    """
    config = source.read_json(CONFIG_FILE, Config)
    if config is None:
        raise WorkspaceError(f"{source.uri}/{CONFIG_FILE} is missing or damaged: run `hnlm study` there to write it")
    try:
        for name in READ:
            _copy_table(source.table(name), target.table(name))
        target.write_json(CONFIG_FILE, config)
    except OSError as error:
        raise InputError(f"{source.uri} can't be copied to {target.uri} ({first_line(error)})") from error


def _copy_table(source: TableStore, target: TableStore) -> None:
    manifest, there = source.published(), target.manifest()
    if there is not None and there.content == manifest.content and target.intact(there):
        return
    for file in manifest.files:
        path = f"{target.folder}/{file.path}"
        target.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        pafs.copy_files(
            f"{source.folder}/{file.path}",
            path,
            source_filesystem=source.filesystem,
            destination_filesystem=target.filesystem,
        )
    target.publish(manifest)
