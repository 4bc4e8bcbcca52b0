"""The row of one CF training: its figures, its learning curve, or why it failed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hnlm_ray.cf import (
    CFData,
    DivergedError,
    EpochReport,
    Training,
    evaluate,
    found_test_rows,
    measure_hardness,
    measure_slices,
    train,
)
from hnlm_ray.config import CFConfig, MethodName, TuneConfig
from hnlm_ray.errors import InputError
from hnlm_ray.workspace.folder import first_line

log = logging.getLogger(__name__)
Row = dict[str, Any]
DataOf = Callable[[MethodName], CFData]


@dataclass(frozen=True)
class Job:
    """One training: the key of its row, what to train, and on which data."""

    key: Mapping[str, str | int]
    method: MethodName
    config: CFConfig
    seed: int
    reads_test: bool

    @property
    def part(self) -> str:
        """The name of the part that holds its row."""
        return "-".join(str(value) for value in self.key.values())


def training_row(job: Job, data_of: DataOf, settings: TuneConfig) -> Row:
    """Train and evaluate one job on its method's data; a training that fails is a row with its reason."""
    import torch

    torch.set_num_threads(max(1, int(settings.cpus_per_trial)))
    device = "cuda" if settings.gpus_per_trial and torch.cuda.is_available() else "cpu"
    started = time.monotonic()
    row, curve = _empty_row(job), Curve(settings.metric)
    try:
        own = data_of(job.method)
        if own.pool is not None and own.pool.dropped:
            log.warning("training %s: %d pool entries were dropped as training positives", job.part, own.pool.dropped)
        training = train(
            own,
            job.config,
            job.seed,
            metric=settings.metric,
            cutoffs=settings.cutoffs,
            on_epoch=curve.add,
            device=device,
        )
        row |= _figures(training, job, settings)
    except DivergedError as error:
        row |= {"status": "diverged", "error": first_line(error)}
    except (InputError, RuntimeError, ValueError, MemoryError) as error:
        log.exception("training %s failed", job.part)
        row |= {"status": "failed", "error": first_line(error)}
    return row | {"curve": curve.epochs, "seconds": round(time.monotonic() - started, 3)}


class Curve:
    """Collects a training's learning curve, an epoch at a time; of one that ends early what there was."""

    def __init__(self, metric: str) -> None:
        self.metric, self.epochs = metric, list[Row]()

    def add(self, report: EpochReport, means: Mapping[str, float] | None) -> None:
        """Take an epoch's mean loss and, where it was evaluated, the metric on validation."""
        validation = None if means is None else means[self.metric]
        self.epochs.append({"epoch": report.epoch, "loss": report.loss, "validation": validation})


def _empty_row(job: Job) -> Row:
    config = json.dumps(job.config.model_dump(mode="json"), sort_keys=True)
    blank = {
        "error": None,
        "epochs": 0,
        "best_epoch": 0,
        "validation": None,
        "test": None,
        "per_user": None,
        "found": None,
        "slices": None,
        "hardness": None,
        "false_negative_share": None,
        "curve": None,
        "seconds": 0.0,
        "skipped_pairs": None,
        "vector_coverage": None,
        "adapter_shift": None,
    }
    return {**job.key, "config": config, "status": "failed", **blank}


def _figures(training: Training, job: Job, settings: TuneConfig) -> Row:
    figures: Row = {
        "status": "ok",
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "validation": training.validation,
        "skipped_pairs": training.skipped_pairs,
        "vector_coverage": training.vector_coverage,
        "adapter_shift": training.adapter_shift,
    }
    return figures | _test_figures(training, job, settings) if job.reads_test else figures


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
        "hardness": hardness.hardness if hardness else None,
        "false_negative_share": hardness.false_negative_share if hardness else None,
    }
