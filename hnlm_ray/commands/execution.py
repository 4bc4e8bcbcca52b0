"""``hnlm run`` and ``hnlm stage``: says what will run, runs it, says what came out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from hnlm_ray.commands.invocation import Invocation, unwind_on_sigterm
from hnlm_ray.commands.narration import say_finished, say_plan
from hnlm_ray.commands.output import Output
from hnlm_ray.config import Config
from hnlm_ray.pipeline import StageStatus, run_stages
from hnlm_ray.progress import open_progress
from hnlm_ray.stage import Stage
from hnlm_ray.workspace import Workspace


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
        progress = open_progress(console)
        with ExitStack() as stack:

            def prepare(stages: Sequence[Stage]) -> None:
                self._start_ray(stack, console, log, stages)
                stack.enter_context(progress)

            def announce(before: list[StageStatus]) -> None:
                say_plan(console, self.config.name, self.workspace, before, log)

            ran = []
            for status in run_stages(self.config, self.workspace, progress, prepare, only=only, announce=announce):
                say_finished(console, status)
                ran.append(status.stage.name)
        return ran

    def _start_ray(self, stack: ExitStack, console: Console, log: str, stages: Sequence[Stage]) -> None:
        """Send everybody's noise to the log, then start or join Ray; progress keeps the real streams."""
        from hnlm_ray.cluster import connected
        from hnlm_ray.console import quiet

        os.makedirs(os.path.dirname(log), exist_ok=True)
        self.invocation.log = log
        streams = stack.enter_context(quiet(log))
        console.file = streams.err if self.output.as_json else streams.out
        stack.enter_context(connected(self.config, stages))
        unwind_on_sigterm()


def log_path(workspace: Workspace, name: str) -> str:
    """Return where the log of a run that starts now lies: in the workspace, if that is on this machine."""
    from hnlm_ray.llm.models import cache_folder

    time = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    if workspace.local_path is not None:
        return os.path.join(workspace.local_path, "logs", f"{time}.log")
    return str(cache_folder() / "logs" / f"{name}-{time}.log")
