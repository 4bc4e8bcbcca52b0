"""``hnlm plan``: what a run will cost, before anything is spent.

A plan for readers: a table, and how each figure was got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.text import clean, duration, redacted
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.commands.stages.stage_rows import StageRow, stage_row
from hnlm_ray.config import Config
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.models import base_model
from hnlm_ray.pipeline.run import stage_error
from hnlm_ray.pipeline.status import StageStatus, find_stage, statuses
from hnlm_ray.plan.estimate.stage_cost import asked_of
from hnlm_ray.plan.figures import PLAN_FILE, Options, Plan, PlanFile, Planned, Promise, Total, total_of
from hnlm_ray.plan.gathering import gather
from hnlm_ray.plan.known.rates import machine_name
from hnlm_ray.plan.measure.checkpoint_shape import read_checkpoint_shape
from hnlm_ray.plan.planning import Planner, StandingStage, budget_end
from hnlm_ray.plan.sizes import read_prepared
from hnlm_ray.plan.task import Found, Task
from hnlm_ray.plan.words import assumptions
from hnlm_ray.workspace import Tokens, Workspace

_NUMBERS = ("rows", "prompts", "tokens in", "tokens out", "time", "GPU hours", "memory", "disk", "cost")


def show_plan(console: Console, plan: Plan) -> None:
    """Print the stages, their sums, and what the figures rest on."""
    table = Table("stage", "state", box=None, pad_edge=False)
    for name in _NUMBERS:
        table.add_column(name, justify="right")
    for stage in plan.stages:
        table.add_row(stage.name, stage.state, *_cells(stage, plan.currency))
    table.add_section()
    table.add_row("total", "", *_cells(plan.total, plan.currency))
    console.print(Text(f"plan of {clean(plan.workspace)} on {clean(plan.machine)}"))
    console.print(table)
    _say_sources(console, plan)


def _cells(row: Planned | Total, currency: str | None) -> list[str]:
    tokens = row.tokens or Tokens()
    return [
        _whole(row.rows) if isinstance(row, Planned) else "",
        _whole(row.prompts),
        _whole(tokens.tokens_in),
        _whole(tokens.tokens_out),
        duration(row.seconds) if row.seconds else "",
        f"{row.gpu_hours:.2f}" if row.gpu_hours is not None else "",
        _size(row.memory_mib),
        _size(row.disk_mib),
        "" if row.cost is None else f"{row.cost:,.{2 if row.cost >= 1 else 4}f} {currency}",
    ]


def _whole(value: int | None) -> str:
    return f"{value:,}" if value else ""


def _size(mib: float | None) -> str:
    if mib is None:
        return ""
    return f"{mib / 1024:,.1f} GiB" if mib >= 1024 else f"{mib:,.1f} MiB"


def _say_sources(console: Console, plan: Plan) -> None:
    """Say once how the stages of one basis got their figures, then what is assumed."""
    by_basis: dict[str, list[str]] = {}
    for stage in plan.stages:
        by_basis.setdefault(stage.basis, []).append(stage.name)
    for basis, names in by_basis.items():
        console.print(Text(clean(f"{', '.join(names)}: {basis}")), soft_wrap=True)
    for sentence in plan.assumptions:
        console.print(Text(clean(f"- {sentence}")), soft_wrap=True)


_CHEAP = ("ingest", "prepare")


def make_plan(execution: Execution, options: Options) -> None:
    """Prepare the data if it is not there, plan what would run, keep the plan and print it."""
    config, workspace = execution.config, execution.workspace
    if any(status.state != "fresh" for status in _cheap(config, workspace)):
        execution.run(only=find_stage(_CHEAP[-1]))
    standing = statuses(config, workspace)
    with execution.connected([]):  # a model that is made on first use prints what it likes
        task = _task(config, workspace, standing)
    for stage in task.todo:
        stage.check(config)
    spent = {status.stage.name: stage_row(status, workspace) for status in standing}
    plan = _plan(task, _gather(task, options, execution), standing, spent)
    _keep(workspace, plan, standing, spent)
    answer = plan.model_dump(mode="json", by_alias=True)
    execution.output.emit(answer, lambda console: show_plan(console, plan))


def _gather(task: Task, options: Options, execution: Execution) -> Found:
    """Gather what the plan rests on; what a Ray worker raised becomes its own sentence."""
    try:
        return gather(task, options, execution.connected)
    except Exception as error:
        raise stage_error("plan", error) from error


def _cheap(config: Config, workspace: Workspace) -> list[StageStatus]:
    return [status for status in statuses(config, workspace) if status.stage.name in _CHEAP]


def _task(config: Config, workspace: Workspace, standing: Sequence[StageStatus]) -> Task:
    todo = [status.stage for status in standing if status.state != "fresh"]
    checkpoint = engine_kind(config.llm).checkpoint(config.llm)
    shape = None if checkpoint is None else read_checkpoint_shape(checkpoint)
    tuned = read_checkpoint_shape(base_model(config)) if config.finetune.enabled else None
    data = replace(read_prepared(workspace), mined_share=_mined_share(standing))
    return Task(config, workspace, data, todo, shape, tuned)


def _mined_share(standing: Sequence[StageStatus]) -> float:
    """Return the share of mined pairs with a hard negative, as a finished teacher counted it; 1 before."""
    done = [one.manifest for one in standing if one.stage.name == "teacher" and one.state == "fresh"]
    counts = done[0].counts if done and done[0] else {}
    pairs, without = counts.get("pairs"), counts.get("pairs_without_negative")
    return 1 - without / pairs if isinstance(pairs, int) and isinstance(without, int) and pairs else 1.0


def _plan(task: Task, found: Found, standing: Sequence[StageStatus], spent: Mapping[str, StageRow]) -> Plan:
    planner = Planner(task, found)
    stages = [planner.planned(StandingStage(one.stage, one.state, one.done_rows)) for one in standing]
    tokens = sum(row["tokens"]["in"] for row in spent.values()), sum(row["tokens"]["out"] for row in spent.values())
    asked = asked_of(task.todo)
    end = budget_end(task.config, [stage for stage in stages if stage.name in asked], tokens)
    return Plan(
        workspace=redacted(task.workspace.uri),
        stages=tuple(stages),
        total=total_of(stages),
        machine=machine_name(task.config),
        currency=task.config.llm.prices.currency,
        assumptions=(*assumptions(task, found), *([end] if end else [])),
    )


def _keep(workspace: Workspace, plan: Plan, standing: Sequence[StageStatus], spent: Mapping[str, StageRow]) -> None:
    """Write the plan, for `hnlm status`; what was planned of stages that have run since stays."""
    kept = workspace.read_json(PLAN_FILE, PlanFile)
    before = kept.promises if kept else {}
    promises = {}
    for status, planned in zip(standing, plan.stages, strict=True):
        name, old = status.stage.name, before.get(status.stage.name)
        if status.state != "fresh":
            promises[name] = _promise(status.fingerprint, planned, spent[name])
        elif old is not None and old.fingerprint == status.fingerprint:
            promises[name] = old
    workspace.write_json(PLAN_FILE, PlanFile(plan=plan, promises=promises))


def _promise(fingerprint: str, planned: Planned, spent: StageRow) -> Promise:
    tokens = None
    if planned.tokens is not None:
        there = Tokens.model_validate(spent["tokens"])
        tokens = Tokens(
            tokens_in=planned.tokens.tokens_in + there.tokens_in,
            tokens_out=planned.tokens.tokens_out + there.tokens_out,
        )
    seconds = None if planned.seconds is None else planned.seconds + spent["seconds"]
    return Promise(fingerprint=fingerprint, tokens=tokens, seconds=seconds)
