"""The row of one CF training: its figures, its learning curve, or why it failed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line
from hnlm_ray.cf import (
    CFData,
    DivergedError,
    EpochReport,
    Hardness,
    Stepped,
    Training,
    evaluate,
    found_test_rows,
    measure_hardness,
    measure_hardness_now,
    measure_slices,
    train,
)
from hnlm_ray.config import TuneConfig
from hnlm_ray.config.spaces import Reads
from hnlm_ray.tune.job import Job, Row
from hnlm_ray.tune.run.curve import Curve, Point, Watch
from hnlm_ray.tune.run.states import StateStore, TrainingStates

log = logging.getLogger(__name__)
DataOf = Callable[[Reads], CFData]
RowOf = Callable[[], Row]
NEGATIVES_EVERY: Final = 5
"""A refit's negatives are measured after the first epoch, and after each so many."""


@dataclass(frozen=True)
class Attendance:
    """Who follows a training while it runs.

    Attributes
    ----------
    states
        Where its state is kept between epochs.
    on_point
        Gets each epoch, those of an earlier process first, and what makes the row so far: that of a training that
        would end there. It may end it, by SystemExit.
    before_test
        Called before test is read: of a refit before it is trained, for its curve tells which negatives are false.
    """

    states: StateStore | None = None
    on_point: Callable[[Point, RowOf], None] = lambda _point, _row: None
    before_test: Callable[[Job], None] = lambda _job: None


def training_row(job: Job, data_of: DataOf, settings: TuneConfig, attendance: Attendance | None = None) -> Row:
    """Train and evaluate one job on its method's data; a training that fails is a row with its reason."""
    running = _Running(job, settings, attendance or Attendance())
    try:
        figures = running.train(data_of)
    except DivergedError as error:
        figures = _ended_badly("diverged", first_line(error))
    except (InputError, RuntimeError, ValueError, MemoryError) as error:
        log.exception("training %s failed", job.part)
        figures = _ended_badly("failed", first_line(error))
    running.watch.stop_into(running.curve)
    return running.row() | figures


def failed_row(job: Job, reason: str, status: str = "failed") -> Row:
    """Return the row of a training of which nothing is known but that it failed, or was lost."""
    return _empty_row(job) | _times(Curve()) | _ended_badly(status, reason)


def _ended_badly(status: str, reason: str) -> Row:
    """Return what a training that can't be used says: its curve stays, its best epoch is none."""
    return {"status": status, "error": reason, "best_epoch": 0, "validation": None}


class _Running:
    """A training on its way."""

    def __init__(self, job: Job, settings: TuneConfig, attendance: Attendance) -> None:
        self.job, self.settings, self.attendance = job, settings, attendance
        self.watch, self.curve, self.started_epoch = Watch(), Curve(), 0
        self.stepped: Stepped | None = None

    def row(self) -> Row:
        """Return the row so far, as of one that was ended."""
        return _empty_row(self.job) | _times(self.curve) | {"started_epoch": self.started_epoch}

    def train(self, data_of: DataOf) -> Row:
        """Train to the end; returns what is known then."""
        job, settings = self.job, self.settings
        device = _device(settings)
        own = data_of(job.reads)
        if own.pool is not None and own.pool.dropped:
            log.warning("training %s: %d pool entries were dropped as training positives", job.part, own.pool.dropped)
        if job.reads_test:
            self.attendance.before_test(job)
        training = train(
            own,
            job.config,
            job.seed,
            metric=settings.metric,
            cutoffs=settings.cutoffs,
            on_start=self._start,
            on_epoch=self._add,
            device=device,
            checkpoints=self._states(),
        )
        figures = _figures(training)
        if job.reads_test:
            figures |= _test_figures(training, job, settings)
        return figures

    def _start(self, stepped: Stepped) -> None:
        self.stepped = stepped

    def _add(self, report: EpochReport, means: Mapping[str, float] | None) -> None:
        self.watch.stop_into(self.curve)
        point = self.curve.add(report, means, self.settings.metric, self._negatives(report.epoch))
        self.attendance.on_point(point, self.row)

    def _negatives(self, epoch: int) -> Hardness | None:
        due = epoch == 1 or epoch % NEGATIVES_EVERY == 0
        if self.stepped is None or not self.job.reads_test or not due:
            return None
        return measure_hardness_now(self.stepped, self.job.seed)

    def _states(self) -> TrainingStates | None:
        if self.attendance.states is None:
            return None
        return TrainingStates(self.attendance.states, self.job, self.curve, self._taken_up)

    def _taken_up(self) -> None:
        self.started_epoch = self.curve.epochs
        log.warning("training %s goes on after epoch %d", self.job.part, self.started_epoch)
        for point in self.curve.points:
            self.attendance.on_point(point, self.row)


def _device(settings: TuneConfig) -> str:
    import torch

    torch.set_num_threads(max(1, int(settings.cpus_per_trial)))
    if settings.gpus_per_trial and not torch.cuda.is_available():
        raise InputError(
            f"tune.gpus_per_trial is {settings.gpus_per_trial:g} and torch sees no GPU on this worker: "
            "install torch with CUDA there, or set it to 0"
        )
    return "cuda" if settings.gpus_per_trial else "cpu"


def _empty_row(job: Job) -> Row:
    config = json.dumps(job.config.model_dump(mode="json"), sort_keys=True)
    blank = {
        "error": None,
        "test": None,
        "per_user": None,
        "found": None,
        "slices": None,
        "catalogue": None,
        "hardness": None,
        "false_negative_share": None,
        "started_epoch": 0,
        "skipped_pairs": None,
        "vector_coverage": None,
        "adapter_shift": None,
    }
    return {**job.key, "config": config, "status": "pruned", **blank}


def _times(curve: Curve) -> Row:
    return {
        "epochs": curve.epochs,
        "best_epoch": curve.best_epoch,
        "validation": curve.validation or None,
        "curve": [point.model_dump() for point in curve.points],
        "seconds": round(curve.seconds, 3),
        "cpu_seconds": round(curve.cpu_seconds, 3),
    }


def _figures(training: Training) -> Row:
    return {
        "status": "ok",
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "validation": training.validation,
        "skipped_pairs": training.skipped_pairs,
        "vector_coverage": training.vector_coverage,
        "adapter_shift": training.adapter_shift,
    }


def _test_figures(training: Training, job: Job, settings: TuneConfig) -> Row:
    """Read test; the hardness of the negatives comes last, for it draws from the training's own streams."""
    test = evaluate(training.scorer, training.data, "test", settings.cutoffs)
    longest = max(settings.cutoffs)
    groups = measure_slices(training.data, test, metric=settings.metric, cutoff=longest)
    hardness = measure_hardness(training, job.seed)
    return {
        "test": test.means,
        "per_user": test.per_user[settings.metric],
        "found": found_test_rows(training.data, test, longest),
        "slices": groups,
        "catalogue": test.catalogue,
        "hardness": hardness.hardness if hardness else None,
        "false_negative_share": hardness.false_negative_share if hardness else None,
    }
