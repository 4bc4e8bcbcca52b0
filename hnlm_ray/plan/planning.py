"""The plan: rows, tokens, seconds, memory, disk and cost of each stage, from what was gathered.

What the planned tokens and GPU hours cost, and where a budget would end a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnlm_ray.config import Config
from hnlm_ray.plan.estimate.memory import MIB
from hnlm_ray.plan.estimate.stage_cost import Known, Remaining, StageCost, cost_of
from hnlm_ray.plan.figures import Planned
from hnlm_ray.plan.task import Found, Task
from hnlm_ray.workspace.stage import Stage


def priced(config: Config, stage: Planned, *, asks_llm: bool) -> Planned:
    """Return a stage with its cost by ``llm.prices``; without a price for what it uses it stays unknown.

    Tokens are paid for in the stages that ask the LLM alone; a GPU hour is paid for in every stage.
    """
    prices, parts = config.llm.prices, list[float]()
    has_price = prices.input_per_million is not None or prices.output_per_million is not None
    if has_price and stage.tokens is not None and asks_llm:
        parts.append(prices.of_tokens(stage.tokens.tokens_in, stage.tokens.tokens_out))
    if prices.gpu_hour is not None and stage.gpu_hours is not None:
        parts.append(prices.gpu_hour * stage.gpu_hours)
    return stage.model_copy(update={"cost": round(sum(parts), 6)}) if parts else stage


def budget_end(config: Config, asked: Sequence[Planned], spent: tuple[int, int]) -> str | None:
    """Say in which of the stages that ask the LLM ``llm.budget`` would be spent, if it would.

    ``spent``: tokens of what is finished.
    """
    budget, prices = config.llm.budget, config.llm.prices
    tokens_in, tokens_out = spent
    for stage in asked:
        if stage.tokens is None:
            continue
        tokens_in, tokens_out = tokens_in + stage.tokens.tokens_in, tokens_out + stage.tokens.tokens_out
        if budget.max_tokens is not None and tokens_in + tokens_out > budget.max_tokens:
            told = f"llm.budget.max_tokens {budget.max_tokens:,} would be spent in stage {stage.name}"
            return f"{told} ({tokens_in + tokens_out:,} tokens by its end): the run would stop there; raise it"
        if budget.max_cost is not None and (cost := prices.of_tokens(tokens_in, tokens_out)) > budget.max_cost:
            told = f"llm.budget.max_cost {budget.max_cost:g} {prices.currency} would be spent in stage {stage.name}"
            return f"{told} ({cost:.2f} by its end): the run would stop there; raise it"
    return None


@dataclass(frozen=True)
class StandingStage:
    """A stage and what of it is already there: ``done`` rows of an interrupted run."""

    stage: Stage
    state: str
    done: int = 0


@dataclass(frozen=True)
class Planner:
    """Plans stages one by one."""

    task: Task
    found: Found

    def planned(self, standing: StandingStage) -> Planned:
        """Return what a stage will take; of a fresh one nothing, of one that declares no cost nothing is known."""
        name, state = standing.stage.name, standing.state
        if state == "fresh":
            return Planned(name=name, state=state, rows=0, seconds=0.0, basis="it is done")
        cost = cost_of(standing.stage)
        if cost is None:
            return Planned(name=name, state=state, basis="not known: the stage declares no cost")
        every = cost.rows(Known(self.task, self.found))
        remaining = Remaining(self.task, self.found, name, max(0, every - standing.done), every)
        return priced(self.task.config, _figures(cost, remaining, state), asks_llm=cost.asking is not None)


def _figures(cost: StageCost, remaining: Remaining, state: str) -> Planned:
    seconds, gpus = cost.seconds(remaining), cost.gpus(remaining.config)
    disk, memory = cost.disk(remaining), cost.memory(remaining)
    return Planned(
        name=remaining.stage,
        state=state,
        rows=remaining.rows,
        prompts=cost.prompts(remaining),
        tokens=cost.tokens(remaining),
        seconds=round(seconds, 1),
        gpu_hours=round(seconds * gpus / 3600, 4) if gpus else None,
        memory_mib=None if memory is None else round(memory, 1),
        disk_mib=None if disk is None else round(disk / MIB, 3),
        basis=cost.basis_of(remaining),
    )
