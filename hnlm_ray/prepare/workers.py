"""How the stage's tasks are run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray

PHASES, STEPS = 4, 25
"""Reading, bringing pairs together, splitting, writing; and the steps that progress shows of each."""


@dataclass(frozen=True)
class Workers:
    """Runs tasks.

    Attributes
    ----------
    cpus
        Of Ray, for a task.
    advance
        Is told the steps done: ``STEPS`` in each phase, however many tasks it has.
    """

    cpus: float
    advance: Callable[[int], None] = lambda _: None

    def submit(self, task: Any, *arguments: object, returns: int = 1) -> Any:  # noqa: ANN401 - Ray's tasks are untyped
        """Start a task; return the reference to its result, or a list of them."""
        return task.options(num_cpus=self.cpus, num_returns=returns).remote(*arguments)

    def phase(self, references: Sequence[ray.ObjectRef]) -> Iterator[Any]:
        """Yield the results of a phase's tasks, in the order of their references."""
        for place, reference in enumerate(references):
            yield ray.get(reference)
            self.advance((place + 1) * STEPS // len(references) - place * STEPS // len(references))


def a_task_a_core() -> float:
    """Return the CPUs of a task with which as many tasks run at a time as there are cores.

    A local Ray counts more CPUs than there are cores; tasks that compute gain nothing by it, and each worker more
    takes its memory and a second to start.
    """
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(1.0, nodes[0] / (os.cpu_count() or 1)) if len(nodes) == 1 else 1.0
