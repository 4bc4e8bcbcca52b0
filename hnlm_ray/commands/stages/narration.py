"""What a run tells its reader, before, during and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console

from hnlm_ray.base.text import duration, redacted
from hnlm_ray.commands.output import say
from hnlm_ray.commands.stages.stage_rows import row_counts, rows_text, token_counts, tokens_text, told_of
from hnlm_ray.config import Config
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.pipeline.retry import PlannedRetry
from hnlm_ray.pipeline.status import StageStatus, statuses
from hnlm_ray.workspace import PublishedTables, Workspace


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


def say_unread(console: Console, config: Config, before: Sequence[StageStatus]) -> None:
    """Say where an LLM would write for nobody, and how to leave that out."""
    if asks_for_nobody(config, before):
        say(console, "none of tune.methods reads what an LLM writes: --set stages=needed leaves those stages out")


def asks_for_nobody(config: Config, before: Sequence[StageStatus]) -> bool:
    """Tell whether stages will ask an LLM for what no method of the configuration reads."""
    needed = config.model_copy(update={"stages": "needed"})
    asking = [status.stage for status in before if status.stage.asks_llm and status.state != "fresh"]
    return bool(asking) and not any(stage.enabled(needed) for stage in asking)


def say_retry(console: Console, planned: PlannedRetry, log: str) -> None:
    """Say which rows are asked again, and that nothing else changes until the end; or that there are none."""
    status, wanted = planned.status, planned.retry.wanted.partition(":")[2]
    name = status.stage.name
    if not planned.failed:
        what = f"ended as '{wanted}'" if wanted else "failed"
        rest = "" if planned.retry.of else f" so far; `hnlm stage {name}` goes on"
        row = "training" if status.stage.trains else "row"
        say(console, f"no {row} of {name} {what}{rest}: nothing to retry")
        return
    told = ", ".join(f"{reason} {count}" for reason, count in planned.failed.items())
    again = "trainings are made" if status.stage.trains else "rows are asked"
    until = "the table stays as it is until they are done" if planned.retry.of else "then the stage goes on"
    say(console, f"{name}: {planned.failed.total()} failed {again} again ({told}); {until}")
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


def say_places(console: Console, config: Config, workspace: Workspace, options: str, report: str | None = None) -> None:
    """Say where everything lies and what to type next: what can be done with what is there."""
    say(console, "")
    say(console, f"tables: {redacted(workspace.uri)}/tables (Parquet, a manifest.json beside each)")
    if report is not None:
        say(console, f"report: {redacted(report)} (open it in a browser)")
    say(console, "next:")
    for command, what in next_commands(config, workspace):
        say(console, f"  hnlm {command.format(options=redacted(options))}   # {what}")


_OF_USERS = {
    "user_profiles": "profile",
    "negative_pool": "hard negatives",
    "recommendations": "recommendations",
}


def next_commands(config: Config, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield what can be done now, as commands ('{options}' in the place of theirs), each with what it is for."""
    published, known = PublishedTables.look(workspace), statuses(config, workspace)
    todo = [status.stage.name for status in known if status.state != "fresh"]
    if todo:
        more = f" and {len(todo) - _SHOWN_STAGES} more" if len(todo) > _SHOWN_STAGES else ""
        yield "run {options}", f"what is to do: {', '.join(todo[:_SHOWN_STAGES])}{more}"
    compared = published.state("results") == "there"
    if compared:
        yield "results {options} --json", "the comparison, for programs"
    if all(published.state(table) == "there" for table in ("users", "items", "interactions")):
        told = ["history", *(what for table, what in _OF_USERS.items() if published.state(table) == "there")]
        yield "show user 0 --index {options}", f"a user's {', '.join(told)}"
    if compared and any(method.has_vectors for method in RunMethods.of(config.tune).chosen.values()):
        made = published.state("recommendations") == "there"
        lie = "where the lists of all users lie; --history for a new one"
        yield "recommend {options}", lie if made else "makes the lists of all users"
    yield "status {options}", "rows, tokens and time of each stage"


_SHOWN_STAGES = 3
