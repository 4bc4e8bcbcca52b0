"""``hnlm failures``: rows of the LLM stages and trainings that failed, grouped by why; reads only, needs no Ray.

The failed rows of one stage, read file by file: of its table, or of what an unfinished run has finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from rich.console import Console

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import Output, say
from hnlm_ray.commands.stages.stage_rows import TokenCounts, tokens_text
from hnlm_ray.config import Config
from hnlm_ray.llm.rows.failures import FAILURE_COLUMNS, Failures, Group
from hnlm_ray.pipeline.status import StageStatus, State, retried_stage, statuses, until
from hnlm_ray.tune.run.board import LostTrainings
from hnlm_ray.workspace import ChunkedTable, TableFile, TableStore, Workspace
from hnlm_ray.workspace.stage import chunks_of
from hnlm_ray.workspace.tables import KEYS, LOST

_INDEXED = ("user", "item")

Example = dict[str, Any]
"""A row that failed: its key, of users and items with the source's own ids, and its error."""


class FailureGroup(TypedDict):
    """Rows that failed for one reason, and what they took; trainings count no attempts and take no tokens."""

    status: str
    message: str
    rows: int
    share: float
    attempts: int
    tokens: TokenCounts
    examples: list[Example]


class FailedStage(TypedDict):
    """A stage as ``hnlm failures --json`` prints it; ``retry`` is the command, null where nothing can be mended."""

    name: str
    state: State
    reason: str
    rows: int
    failed: int
    groups: list[FailureGroup]
    retry: str | None


def describe(status: StageStatus, workspace: Workspace, examples: int, options: str) -> FailedStage:
    """Describe the failed rows of a stage for programs: of its table, or of what an unfinished run has finished."""
    name = status.stage.outputs[0]
    files, inputs = _files(status, workspace)
    failures = Failures(KEYS[name], examples)
    store = workspace.table(name)
    try:
        for file in files:
            failures.add(store.read_parts([file], _columns(store)))
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"table '{name}' lacks a file or is being replaced by a run: try again, or run `hnlm run`"
        ) from error
    if lost := _lost(status, store):
        failures.add(lost)
    groups = failures.groups()
    ids = _ids(workspace, inputs, KEYS[name], groups)
    retried = any(group.status in status.stage.retried for group in groups)
    only_lost = lost is not None and all(group.status == LOST for group in groups)
    retry = "" if only_lost else " --retry failed"  # a stage makes by itself what an unfinished run of it lost
    return {
        "name": status.stage.name,
        "state": status.state,
        "reason": redacted(status.reason),
        "rows": failures.rows,
        "failed": sum(group.rows for group in groups),
        "groups": [_group(group, failures.rows, KEYS[name], ids) for group in groups],
        "retry": f"hnlm stage {status.stage.name}{retry} {redacted(options)}" if retried else None,
    }


def _columns(store: TableStore) -> list[str]:
    return [*KEYS[store.name], *(name for name in FAILURE_COLUMNS if name in store.schema.names)]


def _lost(status: StageStatus, store: TableStore) -> pa.Table | None:
    """Return the trainings of an unfinished stage that were lost with their process, as rows; none: no such one."""
    if not status.stage.trains or status.state == "fresh":
        return None
    chunks = ChunkedTable(store, chunks_of(status.target), status.target)
    schema = pa.schema([store.schema.field(name) for name in _columns(store)])
    lost = LostTrainings.read(chunks).trainings
    if not lost:
        return None
    return pa.Table.from_pylist([{**one.key, "status": LOST, "error": one.reason} for one in lost], schema=schema)


def _files(status: StageStatus, workspace: Workspace) -> tuple[Sequence[TableFile], Mapping[str, str]]:
    """Return what to read of a stage, and the inputs that it was made from."""
    manifest = status.manifest
    retried = status.target != status.fingerprint
    if manifest is not None and (retried or status.state in {"fresh", "stale"}):
        return manifest.files, manifest.inputs
    return workspace.table(status.stage.outputs[0]).parts(chunks_of(status.fingerprint)), status.input_fingerprints


def _group(group: Group, rows: int, keys: Sequence[str], ids: Mapping[str, Mapping[int, str]]) -> FailureGroup:
    def example(key: Sequence[int], error: str) -> Example:
        named = dict(zip(keys, key, strict=True))
        return {**named, **{f"{name}_id": own.get(named[name]) for name, own in ids.items()}, "error": error}

    return {
        "status": group.status,
        "message": group.message,
        "rows": group.rows,
        "share": group.rows / rows,
        "attempts": group.attempts,
        "tokens": {"in": group.tokens_in, "out": group.tokens_out},
        "examples": [example(*found) for found in group.examples],
    }


def _ids(
    workspace: Workspace, inputs: Mapping[str, str], keys: Sequence[str], groups: Sequence[Group]
) -> dict[str, dict[int, str]]:
    """Return the source's own ids of the examples, by key column; none where the data was made anew since."""
    found: dict[str, dict[int, str]] = {}
    for place, name in enumerate(keys):
        if name not in _INDEXED:
            continue
        wanted = sorted({key[place] for group in groups for key, _ in group.examples})
        store = workspace.table(f"{name}s")
        manifest = store.manifest()
        if manifest is None or manifest.content not in inputs.values() or not store.intact(manifest):
            found[name] = {}
            continue
        table = pads.dataset(store.paths(), schema=store.schema, format="parquet", filesystem=store.filesystem)
        rows = table.to_table([name, f"{name}_id"], filter=pc.field(name).isin(wanted))
        found[name] = dict(zip(rows[name].to_pylist(), rows[f"{name}_id"].to_pylist(), strict=True))
    return found


def report_failures(
    config: Config, workspace: Workspace, output: Output, *, stage: str | None, examples: int, options: str
) -> None:
    """Print the failed rows of one stage, or of all that make theirs one by one; then what retries them.

    Raises
    ------
    InputError
        When the stage makes none so; the sentence lists those that do.
    WorkspaceError
        When a run replaces the table that is being read.
    """
    wanted = None if stage is None else retried_stage(stage)
    known = statuses(config, workspace)
    found = [status for status in known if status.stage.retried] if wanted is None else until(wanted, known)[-1:]
    stages = [describe(status, workspace, examples, options) for status in found]
    answer = {"workspace": redacted(workspace.uri), "stages": stages}
    output.emit(answer, lambda console: show_failures(console, stages))


def show_failures(console: Console, stages: Sequence[FailedStage]) -> None:
    """Print each stage's groups with examples, then the commands that retry them."""
    for stage in stages:
        say(console, _headline(stage))
        for group in stage["groups"]:
            _show_group(console, group)
    retried = [stage for stage in stages if stage["retry"]]
    if not any(stage["failed"] for stage in stages):
        say(console, "no row failed: nothing to retry")
    if retried:
        say(console, "make them again (failed:STATUS for those of one status alone):")
    for stage in retried:
        first = f"   # first `hnlm stage {stage['name']}`: it is stale" if stage["state"] == "stale" else ""
        say(console, f"  {stage['retry']}{first}")


def _headline(stage: FailedStage) -> str:
    if not stage["rows"]:
        return f"{stage['name']} ({stage['state']}): no rows yet"
    share = f"{stage['failed']} of {stage['rows']} rows failed ({stage['failed'] / stage['rows']:.1%})"
    return f"{stage['name']} ({stage['state']}): {share}"


def _cost(group: FailureGroup) -> str:
    spent = tokens_text(group["tokens"])
    attempts = f"; {group['attempts']} attempts" if group["attempts"] else ""
    return attempts + (f", tokens {spent}" if spent else "")


def _show_group(console: Console, group: FailureGroup) -> None:
    say(console, f"  {group['rows']} ({group['share']:.1%}) {group['status']}: {group['message']}{_cost(group)}")
    for example in group["examples"]:
        say(console, f"      {_place(example)}: {example['error']}")


def _place(example: Example) -> str:
    told = [_named(name, example) for name in _INDEXED if name in example]
    return ", ".join(told) or " ".join(f"{name} {value}" for name, value in example.items() if name != "error")


def _named(name: str, example: Example) -> str:
    own = example[f"{name}_id"]
    return f"{name} index {example[name]}" if own is None else f"{name} {own} (index {example[name]})"
