"""Where a sweep stands, as small files in the workspace that can be read from anywhere while it runs.

The board is what ``hnlm status --follow`` shows; a note beside the rows names the trainings that were lost.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from hnlm_ray.base.text import first_line, redacted
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import FINISHED, Ending, Job, TrainingKey, part_of
from hnlm_ray.workspace import ChunkedTable, Workspace
from hnlm_ray.workspace.manifest import Counted, Seconds

log = logging.getLogger(__name__)
WRITE_EVERY_S: Final = 2.0


class Best(BaseModel):
    """The best training of a method so far."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    training: str
    value: FiniteFloat


class SweepState(BaseModel):
    """Trainings by how they ended, those that run, and the best of each method."""

    model_config = ConfigDict(extra="ignore")

    fingerprint: str
    metric: str
    total: Counted
    """All there are; with a budget of CPU seconds the most."""
    ended: dict[str, Counted] = {}
    running: dict[str, FiniteFloat] = {}
    """When each was started, in seconds since 1970."""
    best: dict[str, Best] = {}
    seconds_left: Seconds | None = None
    """None before a training has ended in this run."""


class LostTraining(BaseModel):
    """A training that has no row: its process was lost, or its row is to be made again; what it was, and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: dict[str, str | int]
    config: CFConfig
    reason: str


class LostTrainings(BaseModel):
    """The trainings that the stage's next start has to make, with the settings that they had."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    trainings: tuple[LostTraining, ...] = ()

    @classmethod
    def read(cls, table: ChunkedTable) -> Self:
        """Return those that are noted and still have no row."""
        try:
            noted = cls.model_validate_json(table.read_note(_LOST_NOTE))
        except (FileNotFoundError, ValidationError):  # none, or cut off while it was written
            return cls()
        there = table.written()
        return cls(trainings=tuple(one for one in noted.trainings if part_of(one.key) not in there))

    def write(self, table: ChunkedTable) -> None:
        """Note them, in the place of those noted before."""
        table.write_note(_LOST_NOTE, self.model_dump_json())

    @property
    def configs(self) -> dict[str, CFConfig]:
        """The settings of each, by the name of its part."""
        return {part_of(one.key): one.config for one in self.trainings}


_LOST_NOTE: Final = "lost.json"


def board_path(stage: str) -> str:
    """Return where a stage's board lies, below the workspace."""
    return f"stages/{stage}.board.json"


class Board:
    """Keeps the state, and writes it at most every two seconds.

    Parameters
    ----------
    note
        Gets one sentence about the best so far, whenever that changes.
    """

    def __init__(self, workspace: Workspace, stage: str, state: SweepState, note: Callable[[str], None]) -> None:
        self._workspace, self._path, self.state, self._note = workspace, board_path(stage), state, note
        self._started, self._done_before = time.monotonic(), 0.0
        self._written, self._dirty = float("-inf"), True

    def begin(self, done: float) -> None:
        """Start the clock; ``done`` was finished by earlier runs."""
        self._started, self._done_before = time.monotonic(), done

    def count(self, training: TrainingKey, ending: Ending) -> None:
        """Note how a training ended, in this run or an earlier one."""
        state = self.state
        state.ended = dict(Counter(state.ended) + Counter([ending.status]))
        value = ending.value if ending.status in FINISHED else None
        before = state.best.get(training.name)
        if value is not None and (before is None or value > before.value):
            state.best[training.name] = Best(training=training.part, value=value)
            self._note(_best_so_far(state))

    def start(self, job: Job) -> None:
        """Note that a training starts."""
        self.state.running[job.part] = round(time.time(), 1)
        self._dirty = True

    def lose(self, job: Job) -> None:
        """Note that a training's process died."""
        self.state.running.pop(job.part, None)
        self._dirty = True

    def end(self, job: Job, ending: Ending, done: float, left: float) -> None:
        """Note how a training of this run ended, and what that leaves to do."""
        self.lose(job)
        self.count(job, ending)
        made = done - self._done_before
        if made > 0:
            self.state.seconds_left = round((time.monotonic() - self._started) * left / made, 1)

    def write(self, *, now: bool = False) -> None:
        """Write what has changed, unless it was written just now."""
        if not self._dirty or not (now or time.monotonic() - self._written >= WRITE_EVERY_S):
            return
        self._written = time.monotonic()
        try:
            self._workspace.write_json(self._path, self.state)
            self._dirty = False
        except OSError as error:  # an object store may fail for a moment: the next one follows
            log.warning("where the sweep stands could not be written: %s", redacted(first_line(error)))

    def remove(self) -> None:
        """Remove the file: the rows tell everything."""
        self._workspace.delete(self._path)


def _best_so_far(state: SweepState) -> str:
    name, best = max(state.best.items(), key=lambda entry: entry[1].value)
    return f"best so far {name} {state.metric} {best.value:.4f}"
