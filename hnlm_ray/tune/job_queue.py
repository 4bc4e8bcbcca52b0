"""Which training starts next: a list of them, or the methods of a search in turn.

The queue is rebuilt from the rows of finished trainings, so a run that was killed goes on where it was: with one
training at a time it asks for the same trials in the same order as a run that was left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hnlm_ray.config import CFConfig
from hnlm_ray.config.spaces import Reads
from hnlm_ray.tune.job import FINISHED, Ending, Job, Training, part_of
from hnlm_ray.tune.suggest import Suggestions, Told


class JobQueue(Protocol):
    """Where trainings come from, and what is told of them.

    Attributes
    ----------
    total
        How many there are, finished ones included; with a budget of CPU seconds the most.
    """

    @property
    def total(self) -> int: ...  # noqa: D102 described above

    def next(self) -> Job | None:
        """Return the training that starts now; none: no further one."""
        ...

    def spend(self, job: Job, cpu_seconds: float) -> bool:
        """Note what a running training has taken; returns whether it may go on."""
        ...

    def end(self, training: Training, ending: Ending) -> None:
        """Note how a training ended, in this run or an earlier one."""
        ...

    def left(self) -> tuple[float, float]:
        """Return how much is done, and how much is left to do, in the unit of the budget."""
        ...


class ListedJobs:
    """Trainings that are known beforehand, such as refits."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.total, self._ended = len(jobs), 0
        self._todo = {job.part: job for job in jobs}

    def next(self) -> Job | None:
        """See :class:`JobQueue`."""
        return self._todo.pop(next(iter(self._todo))) if self._todo else None

    def spend(self, job: Job, cpu_seconds: float) -> bool:  # noqa: ARG002  no budget of CPU seconds
        """See :class:`JobQueue`."""
        return True

    def end(self, training: Training, ending: Ending) -> None:  # noqa: ARG002  nothing is chosen by it
        """See :class:`JobQueue`."""
        self._todo.pop(training.part, None)
        self._ended += 1

    def left(self) -> tuple[float, float]:
        """See :class:`JobQueue`."""
        return self._ended, self.total - self._ended


@dataclass
class Searched:
    """A method of a search, and its trials up to now.

    Attributes
    ----------
    learns
        Whether later trials are chosen by earlier ones: only then these are kept in memory.
    """

    name: str
    reads: Reads
    suggestions: Suggestions
    learns: bool
    begun: set[int] = field(default_factory=set)
    told: dict[int, Told] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)
    ended: int = 0
    ended_cpu_seconds: float = 0.0

    @property
    def cpu_seconds(self) -> float:
        """What its trials have taken, running ones included."""
        return self.ended_cpu_seconds + sum(self.running.values())

    def start(self, trial: int, seed: int, begun: Mapping[str, CFConfig]) -> Job:
        """Return a trial; one that was being trained when a run ended keeps the settings that it had."""
        self.begun.add(trial)
        key: dict[str, str | int] = {"method": self.name, "trial": trial}
        kept = begun.get(part_of(key))
        config = kept or self.suggestions.suggest(trial, [self.told[at] for at in sorted(self.told)])
        self._tell(Told(trial, config, None, "running"))
        return Job(key, config, self.reads, seed, reads_test=False)

    def end(self, trial: int, config: CFConfig, ending: Ending) -> None:
        """Note how a trial ended."""
        self.begun.add(trial)
        self.running.pop(trial, None)
        self.ended += 1
        self.ended_cpu_seconds += ending.cpu_seconds
        self._tell(Told(trial, config, ending.value if ending.status in FINISHED else None, ending.status))

    def _tell(self, told: Told) -> None:
        if self.learns:
            self.told[told.trial] = told


class SearchedJobs:
    """The trials of several methods in turn, so that their budgets stay equal.

    Parameters
    ----------
    trials
        Trials of each method, or the most of them.
    cpu_seconds
        CPU seconds of each method; none: as many as its trials take.
    begun
        Settings of the trials that were being trained when the run before ended, by part.
    """

    def __init__(
        self,
        methods: Sequence[Searched],
        *,
        seed: int,
        trials: int,
        cpu_seconds: float | None,
        begun: Mapping[str, CFConfig],
    ) -> None:
        self.total = len(methods) * trials
        self._methods = {method.name: method for method in methods}
        self._seed, self._trials, self._cpu_seconds, self._begun = seed, trials, cpu_seconds, begun

    def next(self) -> Job | None:
        """Return the next trial of the method that has begun fewest; of equals the first."""
        open_methods = [method for method in self._methods.values() if self._may_start(method)]
        if not open_methods:
            return None
        method = min(open_methods, key=lambda method: len(method.begun))
        trial = next(number for number in range(self._trials) if number not in method.begun)
        return method.start(trial, self._seed, self._begun)

    def _may_start(self, method: Searched) -> bool:
        return len(method.begun) < self._trials and self._has_seconds(method)

    def _has_seconds(self, method: Searched) -> bool:
        return self._cpu_seconds is None or method.cpu_seconds < self._cpu_seconds

    def spend(self, job: Job, cpu_seconds: float) -> bool:
        """See :class:`JobQueue`."""
        method = self._methods[job.name]
        method.running[int(job.key["trial"])] = cpu_seconds
        return self._has_seconds(method)

    def end(self, training: Training, ending: Ending) -> None:
        """See :class:`JobQueue`."""
        self._methods[training.name].end(int(training.key["trial"]), training.config, ending)

    def left(self) -> tuple[float, float]:
        """See :class:`JobQueue`."""
        done = sum(method.ended for method in self._methods.values())
        if self._cpu_seconds is None:
            return done, self.total - done
        spent = [min(method.cpu_seconds, self._cpu_seconds) for method in self._methods.values()]
        return sum(spent), sum(self._cpu_seconds - own for own in spent)
