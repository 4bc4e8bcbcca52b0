"""``hnlm run`` and ``hnlm stage NAME``: the execution and how it ends."""

from __future__ import annotations

from typing import Any, TypedDict

from rich.console import Console

from hnlm_ray.base.text import redacted
from hnlm_ray.commands.output import say
from hnlm_ray.commands.results.report import make_report
from hnlm_ray.commands.results.results import read_results, show_results
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.commands.stages.narration import say_places
from hnlm_ray.commands.stages.stage_rows import StageRow, stage_row
from hnlm_ray.pipeline.status import find_stage, retried_stage, statuses
from hnlm_ray.workspace.stage import Stage, parse_retry


class StageAnswer(TypedDict):
    """What ``hnlm stage --json`` prints: where all stages stand after it, and which ran."""

    workspace: str
    log: str | None
    ran: list[str]
    stages: list[StageRow]


class RetryCounts(TypedDict):
    """What was to be asked again: by status, how many rows."""

    wanted: str
    failed: dict[str, int]


class RetryAnswer(StageAnswer):
    """The same of a retry."""

    retry: RetryCounts


class RunAnswer(StageAnswer):
    """What ``hnlm run --json`` prints; ``results`` as ``hnlm results``."""

    results: dict[str, Any]
    report: str


def run_pipeline(execution: Execution, options: str) -> None:
    """Run everything, write the report, then say what was found and where it lies."""
    ran = execution.run()
    results = read_results(execution.config, execution.workspace)
    report = make_report(execution.config, execution.workspace, options)["file"]
    answer: RunAnswer = {**_summary(execution, ran), "results": results, "report": report}

    def show(console: Console) -> None:
        show_results(console, answer["results"])
        say_places(console, execution.config, execution.workspace, options, report=report)

    execution.output.emit(answer, show)


def run_one(execution: Execution, name: str, options: str) -> None:
    """Run one stage, and before it what it needs."""
    stage = find_stage(name)
    ran = execution.run(only=stage)
    execution.output.emit(
        _summary(execution, ran, stage),
        lambda console: say_places(console, execution.config, execution.workspace, options),
    )


def retry_one(execution: Execution, name: str, wanted: str, options: str) -> None:
    """Make the failed rows of one stage again."""
    stage = retried_stage(name)
    planned = execution.retry(stage, parse_retry(wanted, stage.retried))
    ran = [stage.name] if planned.failed else []
    counts: RetryCounts = {"wanted": wanted, "failed": dict(planned.failed)}
    answer: RetryAnswer = {**_summary(execution, ran), "retry": counts}

    def show(console: Console) -> None:
        if ran and planned.retry.of:
            say(console, f"what was made from it is stale: hnlm run {redacted(options)}   # makes it anew")

    execution.output.emit(answer, show)


def _summary(execution: Execution, ran: list[str], asked: Stage | None = None) -> StageAnswer:
    known = statuses(execution.config, execution.workspace, asked=asked)
    rows = [stage_row(status, execution.workspace) for status in known]
    return {
        "workspace": redacted(execution.workspace.uri),
        "log": execution.invocation.log,
        "ran": ran,
        "stages": rows,
    }
