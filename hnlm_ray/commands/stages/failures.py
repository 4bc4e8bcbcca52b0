"""``hnlm failures``: the rows of the LLM stages that failed, grouped by why; reads only, and needs no Ray."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from hnlm_ray.base.redaction import redacted
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.stages.failed_rows import Example, FailedStage, FailureGroup, describe
from hnlm_ray.commands.stages.narration import say
from hnlm_ray.commands.stages.stage_rows import tokens_text
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import llm_stage, statuses, until
from hnlm_ray.workspace import Workspace


def report_failures(
    config: Config, workspace: Workspace, output: Output, *, stage: str | None, examples: int, options: str
) -> None:
    """Print the failed rows of one LLM stage, or of all; then what retries them.

    Raises
    ------
    InputError
        When the stage asks no LLM; the sentence lists those that do.
    WorkspaceError
        When a run replaces the table that is being read.
    """
    wanted = None if stage is None else llm_stage(stage)
    known = statuses(config, workspace)
    found = [status for status in known if status.stage.asks_llm] if wanted is None else until(wanted, known)[-1:]
    stages = [describe(status, workspace, examples, options) for status in found]
    answer = {"workspace": redacted(workspace.uri), "stages": stages}
    output.emit(answer, lambda console: show_failures(console, stages))


def show_failures(console: Console, stages: Sequence[FailedStage]) -> None:
    """Print each stage's groups with examples, then the commands that retry them."""
    for stage in stages:
        say(console, _headline(stage))
        for group in stage["groups"]:
            _show_group(console, group)
    retried = [stage for stage in stages if stage["retry"]]
    if not any(stage["failed"] for stage in stages):
        say(console, "no row failed: nothing to retry")
    if retried:
        say(console, "ask them again (failed:STATUS for those of one status alone):")
    for stage in retried:
        first = f"   # first `hnlm stage {stage['name']}`: it is stale" if stage["state"] == "stale" else ""
        say(console, f"  {stage['retry']}{first}")


def _headline(stage: FailedStage) -> str:
    if not stage["rows"]:
        return f"{stage['name']} ({stage['state']}): no rows yet"
    share = f"{stage['failed']} of {stage['rows']} rows failed ({stage['failed'] / stage['rows']:.1%})"
    return f"{stage['name']} ({stage['state']}): {share}"


def _show_group(console: Console, group: FailureGroup) -> None:
    spent = tokens_text(group["tokens"])
    cost = f"{group['attempts']} attempts" + (f", tokens {spent}" if spent else "")
    say(console, f"  {group['rows']} ({group['share']:.1%}) {group['status']}: {group['message']}; {cost}")
    for example in group["examples"]:
        say(console, f"      {_place(example)}: {example['error']}")


def _place(example: Example) -> str:
    return ", ".join(_named(name, example) for name in ("user", "item") if name in example)


def _named(name: str, example: Example) -> str:
    own = example[f"{name}_id"]
    return f"{name} index {example[name]}" if own is None else f"{name} {own} (index {example[name]})"
