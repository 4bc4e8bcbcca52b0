"""The failed rows of one stage, made again: of its published table, or of an unfinished run of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnlm_ray.base.errors import HnlmError, WorkspaceError
from hnlm_ray.base.progress import Progress
from hnlm_ray.config import Config
from hnlm_ray.pipeline.run import run_stage, tokens_spent
from hnlm_ray.pipeline.status import StageStatus, statuses, until
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.session import Session
from hnlm_ray.workspace.stage import Retry, Stage, StageRun, chunks_of


@dataclass(frozen=True)
class PlannedRetry:
    """What a retry is to do: ``failed`` counts the rows to ask again by their status."""

    retry: Retry
    status: StageStatus
    failed: Counter[str]
    spent: tuple[int, int]
    """Tokens that the other stages' tables took."""

    @property
    def target(self) -> str:
        """What the table is afterwards."""
        return self.retry.revision if self.retry.of else self.status.fingerprint


def plan_retry(config: Config, workspace: Workspace, stage: Stage, wanted: Retry) -> PlannedRetry:
    """Find out which rows a retry is about; nothing is run or written.

    Raises
    ------
    WorkspaceError
        When the stage, or one that it reads from, is not there as the configuration asks for it.
    """
    everything = statuses(config, workspace)
    known = until(stage, everything)
    status = known[-1]
    unready = [found for found in known if found.state != "fresh" and set(found.stage.outputs) & set(stage.inputs)]
    unready += [status] if status.state not in {"fresh", "partial"} else []
    if unready:
        worst = unready[0]
        raise WorkspaceError(
            f"stage {worst.stage.name} is {worst.state} ({worst.reason}): run `hnlm stage {stage.name}` with the same "
            "options first; only rows that it has asked for can be retried"
        )
    retry = wanted.of_table(status.content) if status.state == "fresh" else wanted
    spent = tokens_spent(everything, stage, workspace)
    return PlannedRetry(retry, status, failed_rows(status, workspace, retry.statuses), spent)


def failed_rows(status: StageStatus, workspace: Workspace, wanted: Sequence[str]) -> Counter[str]:
    """Count the rows of a stage that ended as one of the statuses wanted, in its table or its finished chunks."""
    if status.state == "fresh" and status.manifest is not None:
        return Counter({name: n for name, n in status.manifest.failed_by_reason.items() if name in wanted})
    store = workspace.table(status.stage.outputs[0])
    found: Counter[str] = Counter()
    for part in store.parts(chunks_of(status.fingerprint)):
        found.update(store.read_parts([part], ["status"])["status"].to_pylist())
    return Counter({name: found[name] for name in wanted if found[name]})


def run_retry(
    config: Config,
    workspace: Workspace,
    progress: Progress,
    prepare_cluster: Callable[[Sequence[Stage]], None],
    *,
    stage: Stage,
    wanted: Retry,
    announce: Callable[[PlannedRetry], None] = lambda _: None,
) -> tuple[PlannedRetry, StageStatus]:
    """Ask the failed rows of a stage again; returns what was planned, and the stage as it stands afterwards.

    Where no row failed, nothing runs and ``prepare_cluster`` is not called.

    Raises
    ------
    WorkspaceError
        As :func:`plan_retry`.
    HnlmError
        When the stage fails; a table that was published stays, and the next call goes on from there.
    """
    workspace.create()
    with Session(workspace) as session:
        planned = plan_retry(config, workspace, stage, wanted)
        announce(planned)
        if not planned.failed:
            return planned, planned.status
        stage.check(config)
        prepare_cluster([stage])
        run = StageRun(config, workspace, planned.target, progress, planned.spent, planned.retry)
        try:
            return planned, run_stage(run, planned.status, session)
        except HnlmError as error:
            if not planned.retry.of:
                raise
            raise type(error)(f"{error}; table {stage.outputs[0]} stays as it was, the same command goes on") from error
