"""Runs the stages that are not fresh, in order, and publishes what they made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from hnlm_ray.base import errors
from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.base.progress import JournalProgress, Progress
from hnlm_ray.base.text import first_line, named
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import STOPPED, StageStatus, statuses, until
from hnlm_ray.workspace import Manifest, Rows, Workspace
from hnlm_ray.workspace.session import Session
from hnlm_ray.workspace.stage import Outcome, Stage, StageRun

_OWN_SENTENCE = re.compile(rf"^{re.escape(StageError.__module__)}\.(\w+): (.+)$", re.MULTILINE)


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
        before = statuses(config, workspace, asked=only)
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
        session.end(error=STOPPED)
        raise
    except Exception as error:
        own = stage_error(status.stage.name, error)
        session.end(error=first_line(own))
        raise own from error
    session.end()
    known = statuses(run.config, run.workspace, asked=status.stage)
    return next(after for after in known if after.stage == status.stage)


def tokens_spent(known: Sequence[StageStatus], running: Stage, workspace: Workspace) -> tuple[int, int]:
    """Sum up the tokens of the tables that this run keeps or has made, but for those of the running stage."""
    manifests = [
        (workspace.table(status.stage.outputs[0]).manifest(), status) for status in known if status.stage != running
    ]
    kept = [
        manifest.tokens for manifest, status in manifests if manifest and manifest.fingerprint == status.fingerprint
    ]
    return sum(tokens.tokens_in for tokens in kept), sum(tokens.tokens_out for tokens in kept)


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
    session.check_held()
    for name in stage.outputs:
        workspace.table(name).publish(_manifest(run, name, status, outcome, session.seconds()))
    stage.tidy(workspace, run.fingerprint)


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
