"""What a run tells its reader, before, during and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from hnlm_ray.base.redaction import redacted
from hnlm_ray.base.text import duration
from hnlm_ray.commands.output import say
from hnlm_ray.commands.stages.stage_rows import row_counts, rows_text, token_counts, tokens_text, told_of
from hnlm_ray.pipeline.retry import PlannedRetry
from hnlm_ray.pipeline.status import StageStatus
from hnlm_ray.workspace import Workspace


def say_plan(console: Console, name: str, workspace: Workspace, before: Sequence[StageStatus], log: str) -> None:
    """Say for each stage whether it will run, and why, and what a fresh one warns about; then where the log is."""
    say(console, f"run {name} in {redacted(workspace.uri)}")
    for status in before:
        say(console, f"  {status.stage.name:<20} {_intention(status):<8} {redacted(status.reason)}")
        if status.state == "fresh" and status.manifest is not None:
            _say_told(console, warning=told_of(status.manifest)[0])
    if all(status.state == "fresh" for status in before):
        say(console, "everything is fresh: nothing to run")
    else:
        say(console, f"Ray's and vLLM's own messages go to {log}")


def say_retry(console: Console, planned: PlannedRetry, log: str) -> None:
    """Say which rows are asked again, and that nothing else changes until the end; or that there are none."""
    status, wanted = planned.status, planned.retry.wanted.partition(":")[2]
    name = status.stage.name
    if not planned.failed:
        what = f"ended as '{wanted}'" if wanted else "failed"
        rest = "" if planned.retry.of else f" so far; `hnlm stage {name}` goes on"
        say(console, f"no row of {name} {what}{rest}: nothing to retry")
        return
    told = ", ".join(f"{reason} {count}" for reason, count in planned.failed.items())
    until = "the table stays as it is until they are done" if planned.retry.of else "then the stage goes on"
    say(console, f"{name}: {planned.failed.total()} failed rows are asked again ({told}); {until}")
    say(console, f"Ray's and vLLM's own messages go to {log}")


def _intention(status: StageStatus) -> str:
    if status.state == "fresh":
        return "skip"
    return "go on" if status.state == "partial" and status.stage.resumes else "run"


def say_finished(console: Console, status: StageStatus) -> None:
    """Say what a stage made, in one line; then what took much of the data, and what else became of rows."""
    manifest = status.manifest
    if manifest is None:
        return
    parts = [f"{rows_text(row_counts(manifest.rows))} in {duration(manifest.seconds)}"]
    if tokens := tokens_text(token_counts(manifest.tokens)):
        parts.append(f"tokens {tokens}")
    parts += [f"{reason} {count}" for reason, count in manifest.failed_by_reason.items()]
    if manifest.counts:
        parts.append(counts_text(manifest.counts))
    say(console, f"{status.stage.name} done: {'; '.join(parts)}")
    warnings, notes = told_of(manifest)
    _say_told(console, warning=warnings, note=notes)


def _say_told(console: Console, **told: Sequence[str]) -> None:
    for kind, sentences in told.items():
        for sentence in sentences:
            say(console, f"    {kind}: {sentence}")


def counts_text(counts: Mapping[str, int | float | str | None]) -> str:
    """Write what a stage counted: 'grounded share 93.1%, borrowed 12'."""
    return ", ".join(f"{name.replace('_', ' ')} {_count(name, value)}" for name, value in counts.items())


def _count(name: str, value: float | str | None) -> str:
    if isinstance(value, float):
        return f"{value:.1%}" if name.endswith("share") else f"{value:.4g}"
    return "unknown" if value is None else str(value)


def say_places(console: Console, workspace: Workspace, options: str, report: str | None = None) -> None:
    """Say where everything lies and what to type next."""
    say(console, "")
    say(console, f"tables: {redacted(workspace.uri)}/tables (Parquet, a manifest.json beside each)")
    if report is not None:
        say(console, f"report: {redacted(report)} (open it in a browser)")
    say(console, "next:")
    say(console, f"  hnlm results {redacted(options)} --json   # the comparison, for programs")
    say(
        console, f"  hnlm show user 0 --index {redacted(options)}   # a user's profile, hard negatives, recommendations"
    )
    say(console, f"  hnlm recommend {redacted(options)}   # where the lists of all users lie; --history for a new one")
    say(console, f"  hnlm status {redacted(options)}   # rows, tokens and time of each stage")
