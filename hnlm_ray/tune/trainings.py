"""CF trainings on Ray Tune: each writes its own row when it ends, so a restart runs only the others."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
from ray import tune

from hnlm_ray.cf import CFData
from hnlm_ray.config import MethodName, TuneConfig
from hnlm_ray.errors import StageError
from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.stage import StageRun, chunks_of
from hnlm_ray.tables import KEYS
from hnlm_ray.tune.control_data import KeptData
from hnlm_ray.tune.training_row import Job, Row, training_row
from hnlm_ray.workspace import TableFile, TableStore

log = logging.getLogger(__name__)
_KEPT_DATA: Final = KeptData()


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


def _write(shared: _Shared, job: Job, row: Row) -> None:
    schema = shared.store.schema
    shared.store.write_part(shared.chunks, job.part, pa.Table.from_pylist([row], schema=schema))
