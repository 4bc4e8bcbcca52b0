"""Where each stage stands for a configuration: fresh, partial, stale or missing, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.base.text import is_secret_name
from hnlm_ray.config import Config
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.workspace import Manifest, TableStore, Workspace
from hnlm_ray.workspace.session import StageJournal, journal_path, read_beat
from hnlm_ray.workspace.stage import Retry, Stage, chunks_of

State = Literal["fresh", "stale", "partial", "missing", "running"]
_SHOWN_CHANGES = 3
STOPPED: Final = "it was stopped by the user"
"""What the journal of a stage says that the user stopped."""


@dataclass(frozen=True)
class StageStatus:
    """Where a stage stands for a configuration, and why."""

    stage: Stage
    fingerprint: str
    depends_on: Mapping[str, object]
    input_fingerprints: Mapping[str, str]
    state: State
    reason: str
    manifest: Manifest | None
    done_rows: int
    journal: StageJournal | None
    content: str
    """What later stages are made from: the table that is there for :attr:`fingerprint`, else the one to come."""
    target: str
    """What is in the making: :attr:`fingerprint`, or the revision of a retry that has begun."""


def find_stage(name: str) -> Stage:
    """Return a stage by name.

    Raises
    ------
    InputError
        When there is none; the sentence lists those there are.
    """
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise InputError(f"there is no stage '{name}': choose one of {', '.join(stage.name for stage in STAGES)}")


def retried_stage(name: str) -> Stage:
    """Return a stage whose failed rows can be made again, by name: it asks an LLM row by row, or trains.

    Raises
    ------
    InputError
        When there is none of that name; the sentence lists those there are.
    """
    known = {stage.name: stage for stage in STAGES if stage.retried}
    if name not in known:
        raise InputError(f"no stage '{name}' asks an LLM or trains row by row: choose one of {', '.join(known)}")
    return known[name]


def until(last: Stage, before: list[StageStatus]) -> list[StageStatus]:
    """Return the statuses up to a stage; InputError where the configuration leaves it out."""
    stages = [status.stage for status in before]
    if last not in stages:
        raise InputError(f"stage {last.name} is left out by this configuration: set {last.enabled_by}")
    return before[: stages.index(last) + 1]


def statuses(
    config: Config, workspace: Workspace, stages: Sequence[Stage] | None = None, *, asked: Stage | None = None
) -> list[StageStatus]:
    """Compare what a configuration asks for with what the workspace holds; nothing is run or written.

    Parameters
    ----------
    asked
        A stage that is wanted by name: it and what it reads are among them, also those that run on request alone.
    """
    beat = read_beat(workspace)
    fingerprints: dict[str, str] = {}
    result = []
    for stage in STAGES if stages is None else stages:
        if not (stage.enabled(config) or _is_asked(stage, asked)):
            continue
        depends_on = _flatten(json.loads(json.dumps(stage.depends_on(config), default=str)))
        inputs = {table: fingerprints[table] for table in stage.inputs if table in fingerprints}
        own = fingerprint_of({"stage": stage.name, "version": stage.version, "config": depends_on, "inputs": inputs})
        running = beat is not None and beat.stage == stage.name
        result.append(_status(stage, workspace, own, depends_on, inputs, running=running))
        fingerprints |= dict.fromkeys(stage.outputs, result[-1].content)
    return result


def _is_asked(stage: Stage, asked: Stage | None) -> bool:
    if asked is None or not stage.on_request:
        return False
    return stage == asked or bool(set(stage.outputs) & set(asked.inputs))


def maker_of(table: str) -> Stage | None:
    """Return the stage that makes a table; none: no stage does."""
    return next((stage for stage in STAGES if table in stage.outputs), None)


def made_on_request(workspace: Workspace) -> Stage | None:
    """Return the last stage that runs on request and has a table in the workspace; none: no such one."""
    made = [stage for stage in STAGES if stage.on_request and workspace.table(stage.outputs[0]).manifest() is not None]
    return made[-1] if made else None


def _status(
    stage: Stage,
    workspace: Workspace,
    fingerprint: str,
    depends_on: Mapping[str, object],
    inputs: Mapping[str, str],
    *,
    running: bool,
) -> StageStatus:
    stores = [workspace.table(name) for name in stage.outputs]
    manifests = [store.manifest() for store in stores]
    old = manifests[0]
    fresh = all(
        manifest is not None and manifest.fingerprint == fingerprint and store.intact(manifest)
        for store, manifest in zip(stores, manifests, strict=True)
    )
    fresh = fresh and stage.intact(workspace)
    content = old.content if old is not None and fresh else fingerprint
    journal = _journal(stage, workspace, fingerprint, content if fresh else None)
    target = fingerprint if journal is None else journal.fingerprint
    done = _done_rows(stage, stores[0], target) if running or not fresh else 0
    state: State = "missing"
    reason = "it has not run yet"
    if fresh:
        state, reason = "fresh", f"its inputs and configuration are unchanged{_unfinished_retry(stage, journal)}"
    elif done or journal is not None:
        state, reason = "partial", _partial_reason(stage, done, journal)
    elif old is not None:
        state, reason = "stale", _stale_reason(old, stage, fingerprint, depends_on, inputs)
    if running:
        state, reason = "running", "a run is at work on it"
    return StageStatus(stage, fingerprint, depends_on, inputs, state, reason, old, done, journal, content, target)


def _done_rows(stage: Stage, store: TableStore, target: str) -> int:
    return sum(file.rows for file in store.parts(chunks_of(target))) if stage.resumes else 0


def _journal(stage: Stage, workspace: Workspace, fingerprint: str, there: str | None) -> StageJournal | None:
    """Return the journal of what a stage has begun, if it is still wanted: its table, or a retry of the one there."""
    journal = workspace.read_json(journal_path(stage.name), StageJournal)
    if journal is not None and journal.retry and there is not None:
        fingerprint = Retry(journal.retry, of=there).revision
    return journal if journal is not None and journal.fingerprint == fingerprint else None


def _unfinished_retry(stage: Stage, journal: StageJournal | None) -> str:
    if journal is None or not journal.retry:
        return ""
    ended = f"failed: {journal.error}" if journal.error not in {None, STOPPED} else "was interrupted"
    return f"; a retry of failed rows {ended}; `hnlm stage {stage.name} --retry {journal.retry}` goes on"


def _partial_reason(stage: Stage, done: int, journal: StageJournal | None) -> str:
    if journal is not None and journal.error is not None:
        return STOPPED if journal.error == STOPPED else f"it failed: {journal.error}"
    return f"it was interrupted; {done} rows are done" if stage.resumes else "it was interrupted; it starts anew"


def _stale_reason(
    old: Manifest, stage: Stage, fingerprint: str, depends_on: Mapping[str, object], inputs: Mapping[str, str]
) -> str:
    if old.fingerprint == fingerprint:
        return "a file of its output is missing or damaged"
    changed = [
        f"{key}: {_shown(old.depends_on.get(key))} -> {_shown(depends_on.get(key))}"
        for key in sorted({*old.depends_on, *depends_on})
        if old.depends_on.get(key) != depends_on.get(key)
    ]
    changed += [f"input {table} changes" for table in inputs if old.inputs.get(table) != inputs[table]]
    if not changed:
        return f"the code of stage {stage.name} is newer"
    more = f" and {len(changed) - _SHOWN_CHANGES} more" if len(changed) > _SHOWN_CHANGES else ""
    return ", ".join(changed[:_SHOWN_CHANGES]) + more


def what_differs(config: Config, workspace: Workspace, table: str) -> str | None:
    """Say why a published table is not what a configuration asks for; None when it is.

    The first stage that would come out otherwise is named, for what follows differs by that alone.
    """
    for status in statuses(config, workspace, asked=maker_of(table)):
        old = status.manifest
        if old is None or old.fingerprint != status.fingerprint:
            return f"{status.stage.name}: {_difference(status)}"
        if table in status.stage.outputs:
            break
    return None


def first_difference(found: Sequence[StageStatus]) -> str | None:
    """Say how the first published table that is another configuration's differs; stages without one are passed over."""
    for status in found:
        if status.manifest is not None and status.manifest.fingerprint != status.fingerprint:
            return f"{status.stage.name}: {_difference(status)}"
    return None


def _difference(status: StageStatus) -> str:
    if status.manifest is None:
        return "it has not run yet"
    return _stale_reason(
        status.manifest, status.stage, status.fingerprint, status.depends_on, status.input_fingerprints
    )


def _shown(value: object) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:10]}..."


def _flatten(tree: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(tree, dict):
        secret = tree is not None and is_secret_name(prefix)
        return {prefix: fingerprint_of({"secret": tree})[:10] if secret else tree}
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
