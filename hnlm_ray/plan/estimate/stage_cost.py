"""What a stage takes, as its declaration names it: rows, seconds, disk, memory, and what these rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal, cast

from hnlm_ray.config import Config
from hnlm_ray.plan.measure.sampling import Asking
from hnlm_ray.plan.sizes import Prepared
from hnlm_ray.plan.task import Found, Task
from hnlm_ray.workspace import Tokens
from hnlm_ray.workspace.stage import Stage

Pace = Literal["trainings", "tuning", "encoder"]
MEASURED: Final[dict[Pace, str]] = {
    "trainings": "epochs of each kind of training on this data",
    "tuning": "micro-batches of the fine-tuned model",
    "encoder": "texts through the encoder",
}
"""What the paces are of that a plan measures for stages that ask no LLM for text."""


@dataclass(frozen=True)
class Known:
    """What the cost of any stage is computed from."""

    task: Task
    found: Found

    @property
    def config(self) -> Config:
        """The run's configuration."""
        return self.task.config

    @property
    def data(self) -> Prepared:
        """The size of the prepared data."""
        return self.found.data


@dataclass(frozen=True)
class Remaining(Known):
    """What is still to do of a stage: ``rows`` of its ``every`` rows."""

    stage: str
    rows: int
    every: int


def none(_remaining: Remaining) -> None:
    """Return a figure that does not apply, or that is too small to tell."""
    return


def no_gpus(_config: Config) -> float:
    """Return the GPUs of a stage that uses none."""
    return 0


@dataclass(frozen=True)
class StageCost:
    """What a stage takes.

    Attributes
    ----------
    rows
        Rows of the stage's first table, at most.
    seconds
        Of what remains, start included.
    disk
        Bytes of its tables, chunks included that it removes at its end; None: not known.
    memory
        MiB of all its workers together; None: little, elsewhere, or not known.
    gpus
        How many it uses at the same time.
    pace
        What is measured to tell ``seconds``; None: nothing but, with ``asking``, the engine.
    prompts, tokens
        Of a stage that reads prompts; None: it reads none.
    basis
        How the figures were got, as a sentence; without it the pace's sentence, or that the time is short and assumed.
    asking
        What an LLM is asked row by row for text; None: nothing.
    """

    rows: Callable[[Known], int]
    seconds: Callable[[Remaining], float]
    disk: Callable[[Remaining], float | None]
    memory: Callable[[Remaining], float | None] = none
    gpus: Callable[[Config], float] = no_gpus
    pace: Pace | None = None
    prompts: Callable[[Remaining], int | None] = none
    tokens: Callable[[Remaining], Tokens | None] = none
    basis: Callable[[Remaining], str] | None = None
    asking: Asking | None = None

    def basis_of(self, remaining: Remaining) -> str:
        """Say how the figures were got."""
        if self.basis is not None:
            return self.basis(remaining)
        if self.pace is not None:
            return f"time: {MEASURED[self.pace]}, {remaining.found.works.sources[self.pace]}"
        return "time: assumed, it is short"


def cost_of(stage: Stage) -> StageCost | None:
    """Return what a stage takes, imported from where its declaration says; None where it says nothing."""
    if not stage.cost:
        return None
    module, name = stage.cost.split(":")
    return cast("StageCost", getattr(import_module(module), name))


def pace_of(stage: Stage) -> Pace | None:
    """Return which pace tells a stage's time, if any does."""
    cost = cost_of(stage)
    return None if cost is None else cost.pace


def asked_of(stages: Sequence[Stage]) -> dict[str, Asking]:
    """Return what is asked of an LLM by those of these stages that ask it for text, by their names, in order."""
    costs = {stage.name: cost_of(stage) for stage in stages}
    return {name: cost.asking for name, cost in costs.items() if cost is not None and cost.asking is not None}
