"""The plan: rows, tokens, seconds, memory, disk and cost of each stage, from what was gathered."""

from __future__ import annotations

from dataclasses import dataclass

from hnlm_ray.plan.costs import priced
from hnlm_ray.plan.estimate.memory import MIB
from hnlm_ray.plan.estimate.stage_cost import Known, Remaining, StageCost, cost_of
from hnlm_ray.plan.figures import Planned
from hnlm_ray.plan.task import Found, Task
from hnlm_ray.workspace.stage import Stage


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
