"""CF trainings on Ray Tune: each writes its own row when it ends, so a restart runs only the others.

Ray Tune gets its trials from a :class:`~hnlm_ray.tune.search.job_queue.JobQueue`.
"""

from __future__ import annotations

import builtins
import json
import logging
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import pyarrow as pa
from ray import tune
from ray.tune.search import Searcher

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.cf import CFData
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Ending, Job, Row, TrainingKey, part_of
from hnlm_ray.tune.run.board import Board, LostTraining, LostTrainings, SweepState
from hnlm_ray.tune.run.reads_of_test import ReadsOfTest
from hnlm_ray.tune.run.stopping import MethodStopping, open_rule
from hnlm_ray.tune.run.training_row import failed_row
from hnlm_ray.tune.run.worker import Shared, TrainingRows, run_training
from hnlm_ray.tune.search.job_queue import JobQueue, ListedJobs
from hnlm_ray.workspace import ChunkedTable
from hnlm_ray.workspace.stage import Retry, StageRun
from hnlm_ray.workspace.tables import LOST


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
_FAILED_TWICE: Final = "it failed twice: "
_DIED: Final = re.compile(
    r"The actor died|node running low on memory|"
    r"\b(Actor(Died|Unavailable|Unschedulable)|WorkerCrashed|NodeDied|LocalRayletDied|Owner(Died|Unavailable)|"
    r"Object\w*Lost|RaySystem)Error\b|ray\.exceptions\.OutOfMemoryError"
)
"""What Ray says of a worker that is gone, whatever ended it."""
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
        """Read what is there, but for the rows that a retry is about."""
        settings = run.config.tune
        rows = TrainingRows(run.chunked(table))
        if run.retry is not None:
            make_again(rows.table, run.retry)
        watched = table == "trials" and (settings.stopping != "none" or settings.cpu_seconds is not None)
        shared = Shared(data, settings, rows, reads_of_test(run), run.config.seed, watched, _events_folder(run, table))
        return cls(run, table, shared, _finished(rows, settings.metric))

    @property
    def begun(self) -> dict[str, CFConfig]:
        """What was being trained when a run ended, or was lost in it, by part: such a training keeps its settings."""
        return {**LostTrainings.read(self.shared.rows.table).configs, **self.shared.rows.states.begun()}

    def run_all(self, queue: JobQueue) -> pa.Table:
        """Run what the queue gives; returns all rows, in key order.

        A training whose process dies (out of memory, a lost node) is tried once more, alone. One that fails by itself
        then is recorded as failed; one that is lost again is noted, and the next start of the stage makes it.

        Raises
        ------
        StageError
            When trainings were lost and ``tune.lost`` does not leave them out; all others have their rows.
        """
        self.run.progress.start(self.table, queue.total, len(self.finished), unit="trainings")
        board = self._open_board(queue)
        finished, lost = self.finished, list[LostTraining]()
        while gone := self._train(queue, board, self.shared, finished):
            log.warning("the processes of %d trainings died: trying these once more, one at a time", len(gone))
            lost += self._once_more([job for job, _ in gone], board)
            finished = _finished(self.shared.rows, self.shared.settings.metric)
            parts = {job.part for job, _ in gone}
            for training, ending in finished:
                if training.part in parts:
                    queue.end(training, ending)  # what nests in it can start now
        self.run.progress.finish()
        board.remove()
        if lost:
            LostTrainings(trainings=tuple(lost)).write(self.shared.rows.table)
            raise StageError(lost_sentence(lost, queue.total))
        rows = self.shared.rows.table.sorted_rows()
        self.shared.rows.table.write_final(rows)
        return rows

    def _once_more(self, gone: Sequence[Job], board: Board) -> list[LostTraining]:
        """Train each alone; records those that fail, and returns those that are lost again where they are kept."""
        alone = replace(self.shared, settings=self.shared.settings.model_copy(update={"concurrent": 1}), watched=False)
        lost = []
        for job, why in self._train(ListedJobs(gone), board, alone, []):
            if why.status == LOST and self.shared.settings.lost == "stop":
                lost.append(LostTraining(key=dict(job.key), config=job.config, reason=why.reason))
            else:
                self._write(job, failed_row(job, why.reason, why.status))
        return lost

    def _open_board(self, queue: JobQueue) -> Board:
        metric = self.shared.settings.metric
        state = SweepState(fingerprint=self.run.fingerprint, metric=metric, total=queue.total)
        board = Board(self.run.workspace, self.table, state, self.run.progress.note)
        for training, ending in self.finished:
            queue.end(training, ending)
            board.count(training, ending)
        board.begin(queue.left()[0])
        return board

    def _train(self, queue: JobQueue, board: Board, shared: Shared, finished: Finished) -> list[tuple[Job, Why]]:
        """Run a queue to its end; returns the trainings that ended without a row, and why."""
        settings = shared.settings if shared.watched else shared.settings.model_copy(update={"stopping": "none"})
        stopping = MethodStopping(lambda: open_rule(settings, self.run.config.cf.epochs), queue, settings.stopping)
        for training, ending in finished:
            stopping.replay(training, ending)
        lost: list[tuple[Job, Why]] = []
        while (first := queue.next()) is not None:
            searcher = JobSearcher(
                first, TRIALS_A_RUN, queue, board, metric=settings.metric, ended=self.run.progress.advance
            )
            stopping.pruned = self._prune_in(searcher)
            steps = _Steps(board)
            _tune(shared, searcher, stopping, steps)
            lost += [(job, steps.errors.get(job.part, _GONE)) for job in searcher.lost]
        return lost

    def _prune_in(self, searcher: JobSearcher) -> Callable[[Job, Row], None]:
        def prune(job: Job, row: Row) -> None:
            self._write(job, row)
            searcher.prune(job, row)

        return prune

    def _write(self, job: Job, row: Row) -> None:
        self.shared.rows.write(job, row)


def make_again(table: ChunkedTable, retry: Retry) -> None:
    """Make trainings to do of the rows that a retry is about, and note their settings; it may be stopped and repeated.

    All other rows of a published table become the first rows of the table to come.
    """
    rows = table.store.read_parts(table.store.parts(retry.of)) if retry.of else table.sorted_rows()
    parts = [part_of(dict(zip(table.keys, key, strict=True))) for key in table.keys_of(rows)]
    again = [status in retry.statuses for status in rows["status"].to_pylist()]
    noted = LostTrainings.read(table).trainings
    chosen = rows.select([*table.keys, "config", "error"]).filter(pa.array(again, pa.bool_())).to_pylist()
    LostTrainings(trainings=(*noted, *(_as_lost(row, table.keys) for row in chosen))).write(table)
    there = table.written()
    for place, (part, retried) in enumerate(zip(parts, again, strict=True)):
        if retried and not retry.of:
            table.remove(part)
        elif not retried and part not in there:
            table.write(part, rows.slice(place, 1))


def _as_lost(row: Row, keys: Sequence[str]) -> LostTraining:
    return LostTraining(key={name: row[name] for name in keys}, config=_config(row), reason=row["error"] or "")


def lost_sentence(lost: Sequence[LostTraining], total: int) -> str:
    """Return what the user is told of lost trainings: how many of ``total``, why the first one, and the way on."""
    first = lost[0]
    died = any(one.reason == DIED_TWICE for one in lost)
    mend = "give them memory (tune.concurrent=1, a smaller cf.dim)" if died else "mend that first"
    why = first.reason.partition(" twice: ")[2 * first.reason.startswith(_FAILED_TWICE)][:90]
    return (
        f"{len(lost)} of {total} trainings were lost with their process, each twice ({part_of(first.key)}: {why}): the "
        f"same command makes them again; {mend}, or go on without them by tune.lost=leave_out"
    )


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
        self.errors: dict[str, Why] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Stay out of Tune's own snapshots."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        self._board.write()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        with open(trial.error_file, encoding="utf-8", errors="replace") as stream:
            self.errors[Job.from_json(trial.config["job"]).part] = why_lost(stream.read())


class Why(NamedTuple):
    """Why a training has no row: it was lost to the machine, or failed by an error of its own."""

    status: str
    reason: str


_GONE: Final = Why(LOST, DIED_TWICE)


def why_lost(error: str) -> Why:
    """Return why a training has no row, from what Ray says of its worker.

    Its process died, or the operating system refused it something (a full disk, a file that can't be read): both say
    nothing of what was trained. Any other error is its own.
    """
    if _DIED.search(error):
        return _GONE
    last = error.strip().splitlines()[-1][:300]
    kind = getattr(builtins, last.partition(":")[0].rpartition(".")[2], None)
    refused = isinstance(kind, type) and issubclass(kind, OSError)
    return Why(LOST if refused else "failed", f"{_FAILED_TWICE}{last}")


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
