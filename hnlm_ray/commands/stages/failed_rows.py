"""The failed rows of one LLM stage, read file by file: of its table, or of what an unfinished run has finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pyarrow.compute as pc
import pyarrow.dataset as pads

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.commands.stages.stage_rows import TokenCounts
from hnlm_ray.llm.rows.failures import FAILURE_COLUMNS, Failures, Group
from hnlm_ray.pipeline.status import StageStatus, State
from hnlm_ray.workspace import TableFile, Workspace
from hnlm_ray.workspace.retry import RETRIED
from hnlm_ray.workspace.stage import chunks_of
from hnlm_ray.workspace.tables import KEYS

Example = dict[str, Any]
"""A row that failed: its indices and the source's own ids by key column, and its error."""


class FailureGroup(TypedDict):
    """Rows that failed for one reason, and what they took."""

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
            failures.add(store.read_parts([file], [*KEYS[name], *FAILURE_COLUMNS]))
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"table '{name}' lacks a file or is being replaced by a run: try again, or run `hnlm run`"
        ) from error
    groups = failures.groups()
    ids = _ids(workspace, inputs, KEYS[name], groups)
    command = f"hnlm stage {status.stage.name} --retry failed {redacted(options)}"
    return {
        "name": status.stage.name,
        "state": status.state,
        "reason": redacted(status.reason),
        "rows": failures.rows,
        "failed": sum(group.rows for group in groups),
        "groups": [_group(group, failures.rows, KEYS[name], ids) for group in groups],
        "retry": command if any(group.status in RETRIED for group in groups) else None,
    }


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
        return {**named, **{f"{name}_id": ids[name].get(index) for name, index in named.items()}, "error": error}

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
