"""The ordered stages: says what is fresh, partial, stale or missing and why, then runs what must run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hnlm_ray import errors
from hnlm_ray.config import Config
from hnlm_ray.errors import HnlmError, InputError, StageError
from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.progress import JournalProgress, Progress
from hnlm_ray.redaction import is_secret_name
from hnlm_ray.retry import Retry
from hnlm_ray.session import Session, StageJournal, journal_path, read_beat
from hnlm_ray.stage import Outcome, Stage, StageRun, chunks_of
from hnlm_ray.stages import STAGES
from hnlm_ray.workspace import Manifest, Rows, TableStore, Workspace
from hnlm_ray.workspace.folder import first_line, named

State = Literal["fresh", "stale", "partial", "missing", "running"]
_SHOWN_CHANGES = 3
_OWN_SENTENCE = re.compile(r"^hnlm_ray\.errors\.(\w+): (.+)$", re.MULTILINE)
_STOPPED = "it was stopped by the user"


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


def llm_stage(name: str) -> Stage:
    """Return a stage that asks an LLM row by row, by name.

    Raises
    ------
    InputError
        When there is none of that name; the sentence lists those there are.
    """
    known = {stage.name: stage for stage in STAGES if stage.asks_llm}
    if name not in known:
        raise InputError(f"no stage '{name}' asks an LLM row by row: choose one of {', '.join(known)}")
    return known[name]


def statuses(config: Config, workspace: Workspace, stages: Sequence[Stage] | None = None) -> list[StageStatus]:
    """Compare what a configuration asks for with what the workspace holds; nothing is run or written."""
    beat = read_beat(workspace)
    fingerprints: dict[str, str] = {}
    result = []
    for stage in STAGES if stages is None else stages:
        if not stage.enabled(config):
            continue
        depends_on = _flatten(json.loads(json.dumps(stage.depends_on(config), default=str)))
        inputs = {table: fingerprints[table] for table in stage.inputs if table in fingerprints}
        own = fingerprint_of({"stage": stage.name, "version": stage.version, "config": depends_on, "inputs": inputs})
        running = beat is not None and beat.stage == stage.name
        result.append(_status(stage, workspace, own, depends_on, inputs, running=running))
        fingerprints |= dict.fromkeys(stage.outputs, result[-1].content)
    return result


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
    ended = f"failed: {journal.error}" if journal.error not in {None, _STOPPED} else "was interrupted"
    return f"; a retry of failed rows {ended}; `hnlm stage {stage.name} --retry {journal.retry}` goes on"


def _partial_reason(stage: Stage, done: int, journal: StageJournal | None) -> str:
    if journal is not None and journal.error is not None:
        return _STOPPED if journal.error == _STOPPED else f"it failed: {journal.error}"
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
    for status in statuses(config, workspace):
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


def run_stages(
    config: Config,
    workspace: Workspace,
    progress: Progress,
    prepare_cluster: Callable[[Sequence[Stage]], None],
    *,
    only: Stage | None = None,
    announce: Callable[[list[StageStatus]], None] = lambda _: None,
) -> Iterator[StageStatus]:
    """Run what is not fresh, in order; yields each stage that ran, as it stands afterwards.

    ``announce`` gets all statuses before anything runs; ``prepare_cluster`` is called once, and only
    when something must run. ``only`` stops after that stage.

    Raises
    ------
    StageError
        When a stage fails; what it had finished stays and the next call goes on from there.
    """
    workspace.create()
    with Session(workspace) as session:
        before = statuses(config, workspace)
        if only is not None:
            before = until(only, before)
        announce(before)
        todo = [status for status in before if status.state != "fresh"]
        for status in todo:
            status.stage.check(config)
        if todo:
            prepare_cluster([status.stage for status in todo])
        for status in todo:
            spent = tokens_spent(before, status.stage, workspace)
            yield run_stage(StageRun(config, workspace, status.fingerprint, progress, spent), status, session)


def run_stage(run: StageRun, status: StageStatus, session: Session) -> StageStatus:
    """Run one stage and publish what it made; returns it as it stands afterwards.

    Raises
    ------
    HnlmError
        When it fails; what it had finished stays.
    """
    retry = run.retry.wanted if run.retry is not None and run.retry.of else ""
    session.begin(status.stage.name, run.fingerprint, retry)
    try:
        _run_stage(replace(run, progress=JournalProgress(run.progress, session.count)), status, session)
    except KeyboardInterrupt:
        session.end(error=_STOPPED)
        raise
    except Exception as error:
        own = stage_error(status.stage.name, error)
        session.end(error=first_line(own))
        raise own from error
    session.end()
    return next(after for after in statuses(run.config, run.workspace) if after.stage == status.stage)


def tokens_spent(known: Sequence[StageStatus], running: Stage, workspace: Workspace) -> tuple[int, int]:
    """Sum up the tokens of the tables that this run keeps or has made, but for those of the running stage."""
    manifests = [
        (workspace.table(status.stage.outputs[0]).manifest(), status) for status in known if status.stage != running
    ]
    kept = [
        manifest.tokens for manifest, status in manifests if manifest and manifest.fingerprint == status.fingerprint
    ]
    return sum(tokens.tokens_in for tokens in kept), sum(tokens.tokens_out for tokens in kept)


def until(last: Stage, before: list[StageStatus]) -> list[StageStatus]:
    """Return the statuses up to a stage; InputError where the configuration leaves it out."""
    stages = [status.stage for status in before]
    if last not in stages:
        raise InputError(f"stage {last.name} is left out by this configuration: set {last.enabled_by}")
    return before[: stages.index(last) + 1]


def stage_error(stage: str, error: Exception) -> HnlmError:
    """Return an error as the user should read it: our own sentence as it is, wherever it was raised.

    What a Ray task or actor raises arrives wrapped, with the worker's traceback as its text.
    """
    chain = [error, *_causes(error)]
    for found in (error, chain[-1]):
        if isinstance(found, HnlmError) and not hasattr(found, "cause"):
            return found
    told = _OWN_SENTENCE.findall("\n".join(map(str, chain)))
    if told:  # raised while an actor was made: of that Ray hands on the text alone
        kind, sentence = told[-1]
        own = getattr(errors, kind, StageError)(sentence)
        return own if isinstance(own, HnlmError) else StageError(sentence)
    cause = next((found for found in reversed(chain) if str(found)), chain[-1])
    return StageError(f"stage {stage} failed: {named(cause)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    inner = getattr(error, "cause", None) or error.__cause__
    if inner is not None:
        yield inner
        yield from _causes(inner)


def _run_stage(run: StageRun, status: StageStatus, session: Session) -> None:
    stage, workspace = status.stage, run.workspace
    for name in stage.outputs:
        workspace.table(name).remove_parts(run.fingerprint)  # of a run that was killed before it published
    outcome = stage.run(run)
    if outcome.rows.todo:
        raise StageError(f"stage {stage.name} left {outcome.rows.todo} rows undone: run the same command again")
    for name in stage.outputs:
        workspace.table(name).publish(_manifest(run, name, status, outcome, session.seconds()))
    if _teaches_plans(run, status, outcome):
        from hnlm_ray.plan.remembering import remember_run

        remember_run(run, stage.name, session.seconds())


def _teaches_plans(run: StageRun, status: StageStatus, outcome: Outcome) -> bool:
    """Tell whether a stage's tokens and time are those of an LLM at work on all of its rows, in one go."""
    whole = status.state != "partial" and run.retry is None
    return whole and outcome.tokens.tokens_out > 0 and engine_kind(run.config.llm).has_a_model


def _manifest(run: StageRun, table: str, status: StageStatus, outcome: Outcome, seconds: float) -> Manifest:
    files = run.workspace.table(table).parts(run.fingerprint)
    revised = run.fingerprint != status.fingerprint
    before = status.manifest.seconds if status.manifest is not None and revised else 0.0
    main = table == status.stage.outputs[0]
    return Manifest(
        table=table,
        stage=status.stage.name,
        fingerprint=status.fingerprint,
        revision=run.fingerprint if revised else "",
        depends_on=dict(status.depends_on),
        inputs=dict(status.input_fingerprints),
        rows=outcome.rows if main else Rows(ok=sum(file.rows for file in files)),
        failed_by_reason=dict(outcome.failed_by_reason),
        counts=dict(outcome.counts),
        tokens=outcome.tokens,
        seconds=round(before + seconds, 3),
        files=files,
    )
