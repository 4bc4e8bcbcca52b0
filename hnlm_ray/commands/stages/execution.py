"""``hnlm run`` and ``hnlm stage``: says what will run, runs it, says what came out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from hnlm_ray.base.progress import BarProgress, LineProgress, Progress, open_progress
from hnlm_ray.commands.invocation import Invocation
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.stages.narration import say_finished, say_plan, say_retry, say_unread
from hnlm_ray.config import Config
from hnlm_ray.pipeline.retry import PlannedRetry, run_retry
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import StageStatus
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import Retry, Stage


@dataclass(frozen=True)
class Execution:
    """One run of the pipeline from the command line."""

    config: Config
    workspace: Workspace
    output: Output
    invocation: Invocation

    def run(self, only: Stage | None = None) -> list[str]:
        """Run what is not fresh; return the names of the stages that ran."""
        log = log_path(self.workspace, self.config.name)
        console = self.output.notes()

        ran, begun = list[str](), set[str]()

        def announce(before: list[StageStatus]) -> None:
            say_plan(console, self.config.name, self.workspace, before, log)
            say_unread(console, self.config, before)
            begun.update(status.stage.name for status in before if status.state == "partial")

        with self._cluster_at_need(console, log) as (progress, prepare):
            for status in run_stages(self.config, self.workspace, progress, prepare, only=only, announce=announce):
                say_finished(console, status)
                ran.append(status.stage.name)
                if status.stage.name not in begun and status.manifest is not None:
                    self._remember(status.stage, status.manifest)
        return ran

    def _remember(self, stage: Stage, done: Manifest) -> None:
        """Let later plans learn from a stage that went through in one go, if it wrote texts."""
        if stage.writes_texts:
            from hnlm_ray.plan.remembering import remember_run

            remember_run(self.config, self.workspace, stage, done)

    def retry(self, stage: Stage, wanted: Retry) -> PlannedRetry:
        """Ask failed rows of a stage again; return what was to do."""
        log = log_path(self.workspace, self.config.name)
        console = self.output.notes()

        def announce(planned: PlannedRetry) -> None:
            say_retry(console, planned, log)
            if planned.retry.of:
                kept = f"table {stage.outputs[0]} stays as it was"
                self.invocation.stopped = f"stopped; {kept}, the same command goes on where the retry was"

        with self._cluster_at_need(console, log) as (progress, prepare):
            planned, after = run_retry(
                self.config, self.workspace, progress, prepare, stage=stage, wanted=wanted, announce=announce
            )
            if planned.failed:
                say_finished(console, after)
        return planned

    @contextmanager
    def connected(self, stages: Sequence[Stage]) -> Iterator[Progress]:
        """Be connected to a Ray that could run these stages, for work that is none of them; yields where to show it.

        Without stages no Ray is started; libraries' noise goes to the log all the same.
        """
        log = log_path(self.workspace, self.config.name)
        with self._cluster_at_need(self.output.notes(), log) as (shown, start), ExitStack() as stack:
            if stages:
                start(stages)
            else:
                from hnlm_ray.cluster.quiet import quiet

                stack.enter_context(quiet(log))
            yield shown

    @contextmanager
    def _cluster_at_need(
        self, console: Console, log: str
    ) -> Iterator[tuple[BarProgress | LineProgress, Callable[[Sequence[Stage]], None]]]:
        """Yield where progress is shown, and what starts or joins Ray once something must run."""
        progress = open_progress(console)
        with ExitStack() as stack:

            def prepare(stages: Sequence[Stage]) -> None:
                self._start_ray(stack, console, log, stages)
                stack.enter_context(progress)

            yield progress, prepare

    def _start_ray(self, stack: ExitStack, console: Console, log: str, stages: Sequence[Stage]) -> None:
        """Send everybody's noise to the log, then start or join Ray; progress keeps the real streams."""
        from hnlm_ray.cluster.connect import connected
        from hnlm_ray.cluster.quiet import quiet

        os.makedirs(os.path.dirname(log), exist_ok=True)
        self.invocation.log = log
        streams = stack.enter_context(quiet(log))
        console.file = streams.err if self.output.as_json else streams.out
        stack.enter_context(connected(self.config, stages))


def log_path(workspace: Workspace, name: str) -> str:
    """Return where the log of a run that starts now lies: in the workspace, if that is on this machine."""
    from hnlm_ray.base.hashing import cache_folder

    time = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    if workspace.local_path is not None:
        return os.path.join(workspace.local_path, "logs", f"{time}.log")
    return str(cache_folder() / "logs" / f"{name}-{time}.log")
