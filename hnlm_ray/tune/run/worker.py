"""What runs in a worker of Ray Tune: its trainings in one thread, one after the other, their rows and reports."""

from __future__ import annotations

import json
import math
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import pyarrow as pa
from ray import tune

from hnlm_ray.cf import CFData
from hnlm_ray.config import TuneConfig
from hnlm_ray.config.spaces import Reads
from hnlm_ray.tune.control_data import KeptData
from hnlm_ray.tune.job import FINISHED, Job, Row
from hnlm_ray.tune.run.curve import EventFiles, Point
from hnlm_ray.tune.run.reads_of_test import ReadsOfTest
from hnlm_ray.tune.run.states import StateStore
from hnlm_ray.tune.run.training_row import Attendance, RowOf, training_row
from hnlm_ray.workspace import ChunkedTable


class OneThread:
    """Runs what it is given in a thread of its own, which is started when it is first needed.

    Ray Tune starts a new thread for every trial of a worker. The C library gives each thread the next free one of its
    arenas, and what a training has freed stays in its arena (:mod:`hnlm_ray.cf.kernels.devices`), so that a worker
    would hold the memory of a training once an arena, more with each trial. The thread is a daemon: a worker that is to
    end does not wait for it.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Do the work and wait for its end; what it raises is raised here, SystemExit too."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="trainings", daemon=True)
            self._thread.start()
        ended: Future[None] = Future()
        self._asked.put((work, ended))
        try:
            ended.result()
        finally:
            del ended  # what was raised refers to this frame: a cycle would keep the training's tables

    def _serve(self) -> None:
        while True:
            _do(*self._asked.get())


def _do(work: Callable[[], None], ended: Future[None]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        ended.set_exception(error)
    else:
        ended.set_result(None)
    finally:
        del work, ended  # as above


_KEPT_DATA: Final = KeptData()
_TRAINER: Final = OneThread()
# How long a worker waits for the thread of its last trial: with Tune's own 2 s the next trial fails on a busy machine.
os.environ.setdefault("TUNE_FUNCTION_THREAD_TIMEOUT_S", "60")
# Arrays out of the object store are shared by all workers of a node, so they can't be written; no training does.
warnings.filterwarnings("ignore", "The given NumPy array is not writable")


@dataclass(frozen=True)
class TrainingRows:
    """Where rows and states of trainings lie: a row is a chunk. Picklable, so that workers write their own."""

    table: ChunkedTable

    @property
    def states(self) -> StateStore:
        """The states of running trainings."""
        return StateStore(self.table.store.filesystem, self.table.note_path("states"))

    def write(self, job: Job, row: Row) -> None:
        """Write a training's row; what was kept of it while it ran goes."""
        self.table.write(job.part, pa.Table.from_pylist([row], schema=self.table.store.schema))
        self.states.remove(job.part)


@dataclass(frozen=True)
class Shared:
    """What every training of a sweep needs, through the object store once.

    Attributes
    ----------
    control_seed
        With a training's own seed it draws what a control is made from: each refit has a shuffle of its own, so that
        the spread over seeds holds that of shuffles.
    watched
        Whether each evaluation is reported, so that a training can be ended early.
    events
        Folder of TensorBoard's files, on this machine; none: there are none.
    """

    data: CFData
    settings: TuneConfig
    rows: TrainingRows
    reads: ReadsOfTest
    control_seed: int
    watched: bool
    events: str | None


def run_training(params: Mapping[str, str], shared: Shared) -> None:
    """Train one job, write its row and report how it ended: in the one thread of this process that trains."""
    _TRAINER.run(lambda: _run_training(params, shared))


def _run_training(params: Mapping[str, str], shared: Shared) -> None:
    job = Job.from_json(params["job"])
    events = EventFiles(f"{shared.events}/{job.part}", shared.settings.metric) if shared.events else None

    def on_point(point: Point, row: RowOf) -> None:
        if events is not None:
            events.add(point)
        if shared.watched and point.validation is not None and point.epoch < job.config.epochs:
            tune.report(_running(point, row(), shared.settings.metric))

    def data_of(reads: Reads) -> CFData:
        return _KEPT_DATA.read_data(shared.rows.table.chunks, reads, shared.data, shared.control_seed + job.seed)

    try:
        attendance = Attendance(shared.rows.states, on_point, shared.reads.mark)
        row = training_row(job, data_of, shared.settings, attendance)
    finally:
        if events is not None:
            events.close()
    shared.rows.write(job, row)
    tune.report(_ended(row, shared.settings.metric))


def _running(point: Point, row: Row, metric: str) -> dict[str, Any]:
    """Return what is reported of a running training: a trial is worth its best epoch, which is what is kept of it."""
    value = row["validation"][metric]
    return {"value": value, "epoch": point.epoch, "cpu_seconds": point.cpu_seconds, "row": json.dumps(row)}


def _ended(row: Row, metric: str) -> dict[str, Any]:
    value = (row["validation"] or {}).get(metric, math.nan) if row["status"] in FINISHED else math.nan
    return {"value": value, "epoch": row["epochs"], "cpu_seconds": row["cpu_seconds"], "status": row["status"]}
