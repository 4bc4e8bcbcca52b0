"""``hnlm export``: negatives, recommendations or embeddings as files for other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
from rich.console import Console

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import Output, open_console, say
from hnlm_ray.config import Config
from hnlm_ray.export import embeddings, negatives, recommendations
from hnlm_ray.export.files import Target, write_rows
from hnlm_ray.pipeline.status import maker_of, what_differs
from hnlm_ray.sources.readers.files import file_in
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.shown_tables import ShownTables

ExportName = Literal["negatives", "recommendations", "embeddings"]
ExportFormat = Literal["parquet", "csv", "npy"]
_FOLDER: Final = "exports"
# The tables that an export is read from, and what they are called.
_TABLES: Final[dict[ExportName, tuple[tuple[str, ...], str]]] = {
    "negatives": (("negative_pool",), "negative pool"),
    "recommendations": (("recommendations",), "table of recommendations"),
    "embeddings": (("model_users", "model_items"), "final model"),
}


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for: which export, in which format, where (none: in the workspace), replacing what is there."""

    name: ExportName
    kind: ExportFormat | None = None
    out: str | None = None
    force: bool = False

    @property
    def chosen(self) -> ExportFormat:
        """The format: as named, as ``out`` ends, else Parquet.

        Raises
        ------
        InputError
            The export does not come in it.
        """
        kind: ExportFormat = self.kind or ("csv" if (self.out or "").endswith(".csv") else "parquet")
        other = "csv" if self.name == "embeddings" else "npy"
        if kind == other:
            raise InputError(f"{self.name} can't be written as {kind}: choose another --format")
        return kind


def export(config: Config, workspace: Workspace, output: Output, request: ExportRequest) -> None:
    """Write the files and say what is in them; a note where they are another configuration's.

    Raises
    ------
    WorkspaceError
        What is to be exported is not there, or was made from other data than is there now.
    InputError
        A file exists (without ``force``), or can't be written; the format does not fit.
    """
    kind, (needed, what) = request.chosen, _TABLES[request.name]
    _check_tables(ShownTables.open(workspace), needed, what)
    fresh, reason = freshness(config, workspace, needed[0], what)
    answer = _write_embeddings(workspace, request) if request.name == "embeddings" else _write_rows(workspace, request)
    answer |= {"format": kind, "fresh": fresh, "reason": reason}
    output.emit(answer, lambda _: _show(open_console(stderr=True), answer))


def _check_tables(tables: ShownTables, needed: Iterable[str], what: str) -> None:
    uri = redacted(tables.workspace.uri)
    for table in needed:
        if tables.published.state(table) == "absent":
            raise WorkspaceError(f"there is no {what} in {uri} yet: run {_command(table)} with the same options first")
        if newer := tables.published.made_anew(table):
            raise WorkspaceError(
                f"the {what} in {uri} was made from other data than is there now ({', '.join(newer)}): "
                f"run {_command(table)} with the same options first"
            )


def freshness(config: Config, workspace: Workspace, table: str, what: str) -> tuple[bool, str | None]:
    """Tell whether a table is the one that the configuration asks for, and what differs; then with a note."""
    try:
        reason = what_differs(config, workspace, table)
    except InputError as error:  # a table outlives the source's files and the models
        reason = f"can't be told: {error}"
    if reason is None:
        return True, None
    told, note = redacted(reason), f"note: this {what} is not of the configuration given"
    say(open_console(stderr=True), f"{note} ({told}): {_command(table)} makes that")
    return False, told


def _command(table: str) -> str:
    """Return what makes a table, whichever stages the configuration leaves out."""
    maker = maker_of(table)
    return "`hnlm recommend`" if maker is not None and maker.on_request else "`hnlm run`"


def _write_rows(workspace: Workspace, request: ExportRequest) -> dict[str, Any]:
    kind: Literal["parquet", "csv"] = "csv" if request.chosen == "csv" else "parquet"
    default = f"{request.name}.{kind}"
    target = _in_workspace(workspace, default) if request.out is None else Target.named(request.out)
    target.check(force=request.force)
    if request.name == "recommendations":
        written = write_rows(target, kind, recommendations.SCHEMA, recommendations.recommendation_rows(workspace))
        extra: dict[str, Any] = {}
    else:
        counts: Counter[str] = Counter()
        written = write_rows(target, kind, negatives.SCHEMA, _counted(negatives.pool_rows(workspace), counts))
        extra = {"sources": dict(sorted(counts.items()))}
    file = redacted(target.shown)
    return {"file": file, "rows": written.rows, "escaped_cells": written.escaped_cells, **extra}


def _write_embeddings(workspace: Workspace, request: ExportRequest) -> dict[str, Any]:
    kind: embeddings.EmbeddingFormat = "npy" if request.chosen == "npy" else "parquet"
    folder = _in_workspace(workspace, "embeddings") if request.out is None else Target.named(request.out)
    folder.make_folder()
    files = [folder.inside(name) for name in embeddings.embedding_files(kind)]
    for file in files:
        file.check(force=request.force)
    rows = embeddings.write_embeddings(workspace, folder, kind)
    return {"folder": redacted(folder.shown), "files": [redacted(file.shown) for file in files], **rows}


def _in_workspace(workspace: Workspace, name: str) -> Target:
    try:
        workspace.filesystem.create_dir(f"{workspace.root}/{_FOLDER}", recursive=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{workspace.uri} can't be written ({error}): choose another file with --out") from error
    place = f"{_FOLDER}/{name}"
    return Target(workspace.filesystem, f"{workspace.root}/{place}", file_in(workspace.uri, place))


def _counted(parts: Iterable[pa.Table], counts: Counter[str]) -> Iterator[pa.Table]:
    for part in parts:
        counts.update(negatives.count_sources(part))
        yield part


def _show(console: Console, answer: dict[str, Any]) -> None:
    if "folder" in answer:
        say(console, f"{answer['users']:,} users and {answer['items']:,} items in {answer['folder']}")
        return
    say(console, f"{answer['rows']:,} rows in {answer['file']}")
    for source, count in answer.get("sources", {}).items():
        say(console, f"  {source:<20} {count:,}")
    if answer["escaped_cells"]:
        say(console, f"{answer['escaped_cells']:,} cells got a leading ' so that no spreadsheet computes them")
