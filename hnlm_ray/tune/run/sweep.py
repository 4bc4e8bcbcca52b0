"""CF trainings on Ray Tune: each writes its own row when it ends, so a restart runs only the others.

Ray Tune gets its trials from a :class:`~hnlm_ray.tune.search.job_queue.JobQueue`.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
from ray import tune
from ray.tune.search import Searcher

from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.cf import CFData
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Ending, Job, Row, TrainingKey
from hnlm_ray.tune.run.board import Board, SweepState
from hnlm_ray.tune.run.reads_of_test import ReadsOfTest
from hnlm_ray.tune.run.stopping import MethodStopping, open_rule
from hnlm_ray.tune.run.training_row import failed_row
from hnlm_ray.tune.run.worker import Shared, TrainingRows, run_training
from hnlm_ray.tune.search.job_queue import JobQueue, ListedJobs
from hnlm_ray.workspace.stage import StageRun


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


log = logging.getLogger(__name__)
DIED_TWICE: Final = "its process died twice: give it memory or a smaller model"
_ACTOR_DIED: Final = ("ActorDiedError", "ActorUnavailableError", "The actor died", "WorkerCrashedError")
_OF_ENDING: Final = ("config", "status", "validation", "cpu_seconds", "curve")
TRIALS_A_RUN: Final = 500
"""Tune keeps what it knows of every trial in memory (some 27 kB each), so a long sweep is several runs of it."""
Finished = list[tuple[TrainingKey, Ending]]


@dataclass(frozen=True)
class Sweep:
    """The trainings of one table, and what earlier runs left of them."""

    run: StageRun
    table: str
    shared: Shared
    finished: Finished

    @classmethod
    def open(cls, run: StageRun, table: str, data: CFData) -> Sweep:
        """Read what is there."""
        settings = run.config.tune
        rows = TrainingRows(run.chunked(table))
        watched = table == "trials" and (settings.stopping != "none" or settings.cpu_seconds is not None)
        shared = Shared(data, settings, rows, reads_of_test(run), run.config.seed, watched, _events_folder(run, table))
        return cls(run, table, shared, _finished(rows, settings.metric))

    def run_all(self, queue: JobQueue) -> pa.Table:
        """Run what the queue gives; returns all rows, in key order.

        A training whose process dies (out of memory, a lost node) is tried once more, alone, then recorded as failed.
        """
        self.run.progress.start(self.table, queue.total, len(self.finished), unit="trainings")
        board = self._open_board(queue)
        finished = self.finished
        while lost := self._train(queue, board, self.shared, finished):
            log.warning("the processes of %d trainings died: trying these once more, one at a time", len(lost))
            parts = self._once_more([job for job, _ in lost], board)
            finished = _finished(self.shared.rows, self.shared.settings.metric)
            for training, ending in finished:
                if training.part in parts:
                    queue.end(training, ending)  # what nests in it can start now
        self.run.progress.finish()
        board.remove()
        rows = self.shared.rows.table.sorted_rows()
        self.shared.rows.table.write_final(rows)
        return rows

    def _once_more(self, lost: Sequence[Job], board: Board) -> set[str]:
        """Train each alone, and record those that are lost again; returns the parts of all of them."""
        alone = replace(self.shared, settings=self.shared.settings.model_copy(update={"concurrent": 1}), watched=False)
        for job, why in self._train(ListedJobs(lost), board, alone, []):
            self._write(job, failed_row(job, why))
        return {job.part for job in lost}

    def _open_board(self, queue: JobQueue) -> Board:
        metric = self.shared.settings.metric
        state = SweepState(fingerprint=self.run.fingerprint, metric=metric, total=queue.total)
        board = Board(self.run.workspace, self.table, state, self.run.progress.note)
        for training, ending in self.finished:
            queue.end(training, ending)
            board.count(training, ending)
        board.begin(queue.left()[0])
        return board

    def _train(self, queue: JobQueue, board: Board, shared: Shared, finished: Finished) -> list[tuple[Job, str]]:
        """Run a queue to its end; returns the trainings that ended without a row, and why."""
        settings = shared.settings if shared.watched else shared.settings.model_copy(update={"stopping": "none"})
        stopping = MethodStopping(lambda: open_rule(settings, self.run.config.cf.epochs), queue, settings.stopping)
        for training, ending in finished:
            stopping.replay(training, ending)
        lost: list[tuple[Job, str]] = []
        while (first := queue.next()) is not None:
            searcher = JobSearcher(
                first, TRIALS_A_RUN, queue, board, metric=settings.metric, ended=self.run.progress.advance
            )
            stopping.pruned = self._prune_in(searcher)
            steps = _Steps(board)
            _tune(shared, searcher, stopping, steps)
            lost += [(job, steps.errors.get(job.part, DIED_TWICE)) for job in searcher.lost]
        return lost

    def _prune_in(self, searcher: JobSearcher) -> Callable[[Job, Row], None]:
        def prune(job: Job, row: Row) -> None:
            self._write(job, row)
            searcher.prune(job, row)

        return prune

    def _write(self, job: Job, row: Row) -> None:
        self.shared.rows.write(job, row)


def reads_of_test(run: StageRun) -> ReadsOfTest:
    """Return the marks of who has read test, for the split that is there."""
    return ReadsOfTest(run.workspace, run.workspace.table("interactions").published().content)


def _events_folder(run: StageRun, table: str) -> str | None:
    if not run.config.tune.tensorboard:
        return None
    return f"{run.workspace.root}/tensorboard/{table}"


def _finished(rows: TrainingRows, metric: str) -> Finished:
    """Return the trainings that have a row, in key order."""
    keys = rows.table.keys
    wanted = [name for name in rows.table.store.schema.names if name in {*keys, *_OF_ENDING}]
    ordered = rows.table.sorted_rows(columns=wanted).to_pylist()
    return [(TrainingKey({key: row[key] for key in keys}, _config(row)), Ending.of(row, metric)) for row in ordered]


def _config(row: Row) -> CFConfig:
    return CFConfig.model_validate(json.loads(row["config"]))


class _Steps(tune.Callback):  # type: ignore[misc]  # Ray is untyped
    """Writes the board when there is time; ``errors`` says why trainings ended without a row, by part."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.errors: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Stay out of Tune's own snapshots."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        self._board.write()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        with open(trial.error_file, encoding="utf-8", errors="replace") as stream:
            self.errors[Job.from_json(trial.config["job"]).part] = why_lost(stream.read())


def why_lost(error: str) -> str:
    """Return why a training has no row, from what Ray says of its worker: its process died, or an error of its own."""
    if any(sign in error for sign in _ACTOR_DIED):
        return DIED_TWICE
    return f"it failed twice: {error.strip().splitlines()[-1][:300]}"


def _tune(shared: Shared, searcher: JobSearcher, stopping: MethodStopping, steps: _Steps) -> None:
    settings = shared.settings
    resources = {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial}
    trainable = tune.with_resources(tune.with_parameters(run_training, shared=shared), resources)
    # Tune's own records; the rows are ours. Named after the work, so that a killed run's are found and removed.
    folder = fingerprint_of({"of": shared.rows.table.store.folder})[:16]
    scratch = os.path.join(tempfile.gettempdir(), f"hnlm-tune-{folder}")
    shutil.rmtree(scratch, ignore_errors=True)
    # It would list every trial as one without files of results: the rows are these.
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    try:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric="value",
                mode="max",
                search_alg=searcher,
                scheduler=stopping,
                num_samples=-1,
                max_concurrent_trials=settings.concurrent,
                reuse_actors=True,
                trial_dirname_creator=_trial_folder,
            ),
            run_config=tune.RunConfig(name="trainings", storage_path=scratch, verbose=0, callbacks=[steps]),
        ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _trial_folder(trial: Any) -> str:  # noqa: ANN401  Ray's
    return str(trial.trial_id)
