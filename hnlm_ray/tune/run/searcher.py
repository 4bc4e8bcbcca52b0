"""Where Ray Tune gets its trials from: a :class:`~hnlm_ray.tune.search.job_queue.JobQueue`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.search import Searcher

from hnlm_ray.tune.job import Ending, Job, Row
from hnlm_ray.tune.run.board import Board
from hnlm_ray.tune.search.job_queue import JobQueue


class JobSearcher(Searcher):  # type: ignore[misc]  # Ray is untyped
    """Hands out a training when Tune can start one, and tells the queue and the board how it ended.

    Parameters
    ----------
    first
        The training that it hands out first; the others come from the queue.
    most
        How many it hands out.
    ended
        Called after each training that has a row.

    Attributes
    ----------
    lost
        Trainings that ended without a row: their process died.
    """

    def __init__(
        self, first: Job, most: int, queue: JobQueue, board: Board, *, metric: str, ended: Callable[[], None]
    ) -> None:
        super().__init__(metric="value", mode="max")
        self._queue, self._board, self._measured, self._ended = queue, board, metric, ended
        self._first: Job | None = first
        self._left = most
        self._running: dict[str, Job] = {}
        self._pruned: dict[str, Ending] = {}
        self.lost: list[Job] = []

    def __getstate__(self) -> dict[str, Any]:
        """Stay out of Tune's own snapshots."""
        return {}

    def suggest(self, trial_id: str) -> Any:  # noqa: ANN401  Ray's interface
        """Return the next training as Tune's configuration of a trial."""
        job, self._first = self._first or (self._queue.next() if self._left else None), None
        if job is None:
            return Searcher.FINISHED
        self._left -= 1
        self._running[trial_id] = job
        self._board.start(job)
        return {"job": job.to_json()}

    def prune(self, job: Job, row: Row) -> None:
        """Note that a running training is ended now, with this row."""
        self._pruned[job.part] = Ending.of(row, self._measured)

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002  Ray's interface
    ) -> None:
        """Take how a training ended, as its last report says."""
        job = self._running.pop(trial_id)
        ending = self._pruned.pop(job.part, None) or _ending({} if error or result is None else result)
        if ending is None:
            self.lost.append(job)
            self._board.lose(job)
            return
        self._queue.end(job, ending)
        self._board.end(job, ending, *self._queue.left())
        self._ended()

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the rows are what is kept."""

    def restore(self, checkpoint_path: str) -> None:
        """Take nothing: a queue is rebuilt from rows."""


def _ending(report: Mapping[str, Any]) -> Ending | None:
    if "status" not in report:
        return None
    value = None if math.isnan(report["value"]) else report["value"]
    return Ending(report["status"], value, report["cpu_seconds"])
