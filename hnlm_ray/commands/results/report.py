"""``hnlm report``: everything that a run found, as one HTML file."""

from __future__ import annotations

from typing import TypedDict

import pyarrow as pa
from rich.console import Console

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import Output, say
from hnlm_ray.commands.results.results import read_results
from hnlm_ray.commands.stages.stage_rows import stage_row
from hnlm_ray.config import Config
from hnlm_ray.export.files import Target, write_file
from hnlm_ray.pipeline.status import first_difference, statuses
from hnlm_ray.sources.readers.files import file_in
from hnlm_ray.workspace import PublishedTables, Workspace
from hnlm_ray.workspace.shown_tables import Row, ShownTables

NAME = "report.html"


class ReportAnswer(TypedDict):
    """What ``hnlm report --json`` prints."""

    file: str
    bytes: int
    compared: bool
    fresh: bool
    reason: str | None
    not_there: list[str]


def write_report(config: Config, workspace: Workspace, output: Output, *, out: str | None, options: str) -> None:
    """Write the report and say where it is, and what is not in it yet.

    Raises
    ------
    InputError
        The file can't be written.
    """
    answer = make_report(config, workspace, options, out=out)
    output.emit(answer, lambda console: _show(console, answer))


def make_report(config: Config, workspace: Workspace, options: str, *, out: str | None = None) -> ReportAnswer:
    """Write the report; returns what is told of it."""
    from hnlm_ray.report.build import gather
    from hnlm_ray.report.page import render

    target = _default_target(workspace) if out is None else Target.named(out)
    target.check(force=True)
    standing = statuses(config, workspace)
    stages, differs = [stage_row(status, workspace) for status in standing], first_difference(standing)
    found, lacking = _results(config, workspace)
    tables = ShownTables(workspace, PublishedTables.look(workspace))
    differs = differs and redacted(differs)
    facts = gather(config, tables, stages, answer=found, lacking=lacking, differs=differs, options=options)
    page = render(facts).encode()
    write_file(target, page)
    return {
        "file": redacted(target.shown),
        "bytes": len(page),
        "compared": found is not None,
        "fresh": bool(found and found["fresh"]),
        "reason": lacking if found is None else found["reason"],
        "not_there": [stage["name"] for stage in stages if stage["state"] != "fresh"],
    }


def _results(config: Config, workspace: Workspace) -> tuple[Row | None, str | None]:
    """Return the comparison, or why there is none."""
    try:
        return read_results(config, workspace), None
    except WorkspaceError as error:
        return None, redacted(str(error))


def _default_target(workspace: Workspace) -> Target:
    try:
        workspace.filesystem.create_dir(workspace.root, recursive=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{workspace.uri} can't be written ({error}): choose another file with --out") from error
    return Target(workspace.filesystem, f"{workspace.root}/{NAME}", file_in(workspace.uri, NAME))


def _show(console: Console, answer: ReportAnswer) -> None:
    say(console, f"report: {answer['file']} ({answer['bytes'] / 1024:,.0f} KiB)")
    if not answer["compared"]:
        say(console, f"no comparison in it yet: {answer['reason']}")
    elif not answer["fresh"]:
        say(console, f"its results are not of the configuration given ({answer['reason']}): `hnlm run` makes those")
    if answer["not_there"]:
        say(console, f"not made for this configuration: {', '.join(answer['not_there'])}")
