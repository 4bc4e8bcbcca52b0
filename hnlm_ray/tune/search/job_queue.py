"""Which training starts next: a list of them, or the methods of a search in turn.

The queue is rebuilt from the rows of finished trainings, so a run that was killed goes on where it was: with one
training at a time it asks for the same trials in the same order as a run that was left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hnlm_ray.config import CFConfig
from hnlm_ray.config.spaces import Reads
from hnlm_ray.tune.job import FINISHED, Ending, Job, Told, TrainingKey, part_of
from hnlm_ray.tune.search.suggest import Suggestions
from hnlm_ray.workspace.tables import LOST

log = logging.getLogger(__name__)
SearchKey = tuple[int, str]


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

    def end(self, training: TrainingKey, ending: Ending) -> None:
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

    def end(self, training: TrainingKey, ending: Ending) -> None:  # noqa: ARG002  nothing is chosen by it
        """See :class:`JobQueue`."""
        self._todo.pop(training.part, None)
        self._ended += 1

    def left(self) -> tuple[float, float]:
        """See :class:`JobQueue`."""
        return self._ended, self.total - self._ended


@dataclass
class Searched:
    """One search of a method, and its trials up to now.

    Attributes
    ----------
    seed
        Of its trials' trainings.
    most
        How many trials it has at most.
    search
        Its number among the method's searches.
    nests
        Names of the methods of whose best trial in the same search it takes all settings; it starts after them.
    learns
        Whether later trials are chosen by earlier ones: only then these are kept in memory.
    best
        The best trial so far: its validation figure, and its settings.
    """

    name: str
    reads: Reads
    suggestions: Suggestions
    seed: int
    most: int
    search: int = 0
    nests: tuple[str, ...] = ()
    learns: bool = False
    begun: set[int] = field(default_factory=set)
    told: dict[int, Told] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)
    ended: int = 0
    ended_cpu_seconds: float = 0.0
    best: tuple[float, int, CFConfig] | None = None

    @property
    def key(self) -> SearchKey:
        """Which of a run's searches it is."""
        return self.search, self.name

    @property
    def cpu_seconds(self) -> float:
        """What its trials have taken, running ones included."""
        return self.ended_cpu_seconds + sum(self.running.values())

    def start(self, trial: int, begun: Mapping[str, CFConfig]) -> Job:
        """Return a trial; one that was being trained when a run ended keeps the settings that it had."""
        self.begun.add(trial)
        key: dict[str, str | int] = {"method": self.name, "search": self.search, "trial": trial}
        kept = begun.get(part_of(key))
        config = kept or self.suggestions.suggest(trial, [self.told[at] for at in sorted(self.told)])
        self._tell(Told(trial, config, None, "running"))
        return Job(key, config, self.reads, self.seed, reads_test=False)

    def end(self, trial: int, config: CFConfig, ending: Ending) -> None:
        """Note how a trial ended."""
        self.begun.add(trial)
        self.running.pop(trial, None)
        self.ended += 1
        self.ended_cpu_seconds += ending.cpu_seconds
        value = ending.value if ending.status in FINISHED else None
        if value is not None and (self.best is None or (value, -trial) > (self.best[0], -self.best[1])):
            self.best = value, trial, config
        if ending.status == LOST:
            self.told.pop(trial, None)  # that it was lost says nothing of its settings
        else:
            self._tell(Told(trial, config, value, ending.status))

    def _tell(self, told: Told) -> None:
        if self.learns:
            self.told[told.trial] = told


class SearchedJobs:
    """The trials of several methods in turn, so that their budgets stay equal; one search of them after the other.

    Parameters
    ----------
    methods
        Each search of each method; what another nests in stands anywhere among them.
    cpu_seconds
        CPU seconds of each search of a method; none: as many as its trials take.
    begun
        Settings of the trials that were being trained when the run before ended, by part.
    """

    def __init__(
        self, methods: Sequence[Searched], *, cpu_seconds: float | None, begun: Mapping[str, CFConfig]
    ) -> None:
        self.total = sum(method.most for method in methods)
        self._methods = {method.key: method for method in methods}
        self._cpu_seconds, self._begun = cpu_seconds, begun

    def next(self) -> Job | None:
        """Return the next trial of the method that has begun fewest in the earliest search; of equals the first.

        None where the others wait for trials that run: it is to be asked again once these have ended.
        """
        open_methods = [method for method in self._methods.values() if self._may_start(method) and self._nest(method)]
        if not open_methods:
            return None
        method = min(open_methods, key=lambda method: (method.search, len(method.begun)))
        trial = next(number for number in range(method.most) if number not in method.begun)
        return method.start(trial, self._begun)

    def _may_start(self, method: Searched) -> bool:
        return len(method.begun) < method.most and self._has_seconds(method)

    def _nest(self, method: Searched) -> bool:
        """Tell whether a method has all that it nests in, and give it the best of that; true of one that nests not."""
        if not method.nests:
            return True
        inside = [self._methods[method.search, name] for name in method.nests]
        if any(self._may_start(one) or one.ended < len(one.begun) for one in inside):
            return False
        found = [one.best for one in inside if one.best is not None]
        if found:
            method.suggestions.nest_in(max(found, key=lambda best: best[0])[2])
        elif not method.begun:
            log.warning("no trial of %s finished: %s starts from the section cf", ", ".join(method.nests), method.name)
        return True

    def _has_seconds(self, method: Searched) -> bool:
        return self._cpu_seconds is None or method.cpu_seconds < self._cpu_seconds

    def _of(self, training: TrainingKey) -> Searched:
        return self._methods[training.search, training.name]

    def spend(self, job: Job, cpu_seconds: float) -> bool:
        """See :class:`JobQueue`."""
        method = self._of(job)
        method.running[int(job.key["trial"])] = cpu_seconds
        return self._has_seconds(method)

    def end(self, training: TrainingKey, ending: Ending) -> None:
        """See :class:`JobQueue`."""
        self._of(training).end(int(training.key["trial"]), training.config, ending)

    def left(self) -> tuple[float, float]:
        """See :class:`JobQueue`."""
        done = sum(method.ended for method in self._methods.values())
        if self._cpu_seconds is None:
            return done, self.total - done
        spent = [min(method.cpu_seconds, self._cpu_seconds) for method in self._methods.values()]
        return sum(spent), sum(self._cpu_seconds - own for own in spent)
