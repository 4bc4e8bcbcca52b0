"""CF trainings on Ray Tune: each writes its own row when it ends, so a restart runs only the others."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
from ray import tune

from hnlm_ray.cf import CFData, DivergedError, Training, evaluate, train
from hnlm_ray.config import CFConfig, MethodName, TuneConfig
from hnlm_ray.errors import InputError, StageError
from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.stage import StageRun, chunks_of
from hnlm_ray.tables import KEYS
from hnlm_ray.tune.control_data import KeptData
from hnlm_ray.workspace import TableFile, TableStore
from hnlm_ray.workspace.folder import first_line

log = logging.getLogger(__name__)
Row = dict[str, Any]
DataOf = Callable[[MethodName], CFData]
_KEPT_DATA: Final = KeptData()


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


@dataclass(frozen=True)
class _Shared:
    """What every trial of a run needs, through the object store once."""

    data: CFData
    jobs: Sequence[Job]
    tune: TuneConfig
    store: TableStore
    chunks: str
    control_seed: int


def run_trainings(run: StageRun, table: str, data: CFData, jobs: Sequence[Job]) -> pa.Table:
    """Run the jobs that have no row yet; returns all rows, in key order.

    A job whose process dies (out of memory, a lost node) is tried once more, alone.

    Raises
    ------
    StageError
        When a job's process died twice; what the others found stays.
    """
    store, chunks = run.output(table), chunks_of(run.fingerprint)
    todo = _without_row(store, chunks, jobs)
    run.progress.start(table, len(jobs), len(jobs) - len(todo), unit="trainings")
    shared = _Shared(data, todo, run.config.tune, store, chunks, run.config.seed)
    if todo:
        _tune(shared, run.progress.advance)
    lost = _without_row(store, chunks, todo)
    if lost:
        log.warning("the processes of %d trainings died: trying these once more, one at a time", len(lost))
        _tune(replace(shared, jobs=lost, tune=shared.tune.model_copy(update={"concurrent": 1})), run.progress.advance)
    run.progress.finish()
    if lost := _without_row(store, chunks, todo):
        names = ", ".join(job.part for job in lost[:3])
        raise StageError(
            f"the processes of {len(lost)} trainings died twice ({names}): see the log, give them memory or lower "
            "tune.concurrent, and run the same command again"
        )
    return _all_rows(store, chunks, run.fingerprint, jobs)


def _rows_by_name(store: TableStore, chunks: str) -> dict[str, TableFile]:
    return {file.path.rsplit("/", 1)[1].removesuffix(".parquet"): file for file in store.parts(chunks)}


def _without_row(store: TableStore, chunks: str, jobs: Sequence[Job]) -> list[Job]:
    done = _rows_by_name(store, chunks)
    return [job for job in jobs if job.part not in done]


def _all_rows(store: TableStore, chunks: str, final: str, jobs: Sequence[Job]) -> pa.Table:
    files = _rows_by_name(store, chunks)
    rows = store.read_parts([files[job.part] for job in jobs])
    rows = rows.sort_by([(key, "ascending") for key in KEYS[store.name]])
    store.write_part(final, "part-00000", rows)
    return rows


def _nothing() -> None:
    """Count nothing."""


class _Advance(tune.Callback):  # type: ignore[misc]  # Ray is untyped
    """Counts finished trials."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance

    def __getstate__(self) -> dict[str, Any]:
        """Stay out of the experiment's own snapshot: progress belongs to this process."""
        return {"_advance": _nothing}

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        self._advance()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ANN401, ARG002  Ray's interface
        self._advance()


def _tune(shared: _Shared, advance: Callable[[], None]) -> None:
    settings = shared.tune
    resources = {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial}
    trainable = tune.with_resources(tune.with_parameters(_trial, shared=shared), resources)
    # Tune's own records; the rows are ours. Named after the work, so that a killed run's are found and removed.
    scratch = os.path.join(tempfile.gettempdir(), f"hnlm-tune-{fingerprint_of({'of': shared.store.folder})[:16]}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        tune.Tuner(
            trainable,
            param_space={"job": tune.grid_search(list(range(len(shared.jobs))))},
            tune_config=tune.TuneConfig(max_concurrent_trials=settings.concurrent, reuse_actors=True),
            run_config=tune.RunConfig(name="trainings", storage_path=scratch, verbose=0, callbacks=[_Advance(advance)]),
        ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _trial(params: Mapping[str, int], shared: _Shared) -> None:
    """Train one job in a Tune worker and write its row."""
    job = shared.jobs[params["job"]]

    def data_of(method: MethodName) -> CFData:
        return _KEPT_DATA.method_data(shared.chunks, method, shared.data, shared.control_seed)

    row = training_row(job, data_of, shared.tune)
    _write(shared, job, row)
    tune.report({"value": (row["validation"] or {}).get(shared.tune.metric, float("nan"))})


def training_row(job: Job, data_of: DataOf, settings: TuneConfig) -> Row:
    """Train and evaluate one job on its method's data; a training that fails is a row with its reason."""
    import torch

    torch.set_num_threads(max(1, int(settings.cpus_per_trial)))
    device = "cuda" if settings.gpus_per_trial and torch.cuda.is_available() else "cpu"
    started = time.monotonic()
    row = _empty_row(job)
    try:
        own = data_of(job.method)
        if own.pool is not None and own.pool.dropped:
            log.warning("training %s: %d pool entries were dropped as training positives", job.part, own.pool.dropped)
        training = train(own, job.config, job.seed, metric=settings.metric, cutoffs=settings.cutoffs, device=device)
        row |= _figures(training, job, settings)
    except DivergedError as error:
        row |= {"status": "diverged", "error": first_line(error)}
    except (InputError, RuntimeError, ValueError, MemoryError) as error:
        log.exception("training %s failed", job.part)
        row |= {"status": "failed", "error": first_line(error)}
    return row | {"seconds": round(time.monotonic() - started, 3)}


def _empty_row(job: Job) -> Row:
    config = json.dumps(job.config.model_dump(mode="json"), sort_keys=True)
    blank = {
        "error": None,
        "epochs": 0,
        "best_epoch": 0,
        "validation": None,
        "test": None,
        "per_user": None,
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
    if job.reads_test:
        embeddings = training.user_embeddings, training.item_embeddings
        test = evaluate(*embeddings, training.data, "test", settings.cutoffs)
        figures |= {"test": test.means, "per_user": test.per_user[settings.metric]}
    return figures


def _write(shared: _Shared, job: Job, row: Row) -> None:
    schema = shared.store.schema
    shared.store.write_part(shared.chunks, job.part, pa.Table.from_pylist([row], schema=schema))
