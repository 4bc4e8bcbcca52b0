"""Hardness against false negatives of every sampler on one trained model: a table that nothing is chosen by."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import pyarrow as pa
import ray
from ray.exceptions import RayError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line, redacted
from hnlm_ray.cf import CFData, DivergedError, Trainer, train
from hnlm_ray.cf.training.hardness import Ranked
from hnlm_ray.compare.method_rows import group_rows, refit_rows
from hnlm_ray.config import Config, MethodName
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.methods.method import Method
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.tune.frontier.rows import DataOf, Row, frontier_rows
from hnlm_ray.tune.frontier.samplers import Winner, frozen_winner, redrawn, winners
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

log = logging.getLogger(__name__)
TABLE: Final = "frontier"
NO_MODEL: Final = "no classical method with a pair loss finished"
_KEPT: Final = 2
_Found = tuple[list[Row], dict[str, str]]
"""The table's rows, and what the manifest is to say of it."""


def write_frontier(run: StageRun, data: CFData, results: pa.Table) -> dict[str, str]:
    """Write the table from the refits of ``results``; returns what the manifest is to say of it.

    The model is trained once more, with the run's own seed, in a Ray task. Where that or the redrawing fails the table
    is empty and the manifest says why: the refits stand without it.
    """
    settings, methods = run.config.tune, RunMethods.of(run.config.tune).chosen
    found = winners(group_rows([], refit_rows(results)), methods, settings.metric)
    base = frozen_winner(found)
    rows, told = ([], {"frontier_lacking": NO_MODEL}) if base is None else _in_task(run, base, found, methods, data)
    run.workspace.table(TABLE).write_part(
        run.fingerprint, "part-00000", pa.Table.from_pylist(rows, schema=TABLES[TABLE])
    )
    return told


def _in_task(
    run: StageRun, base: Winner, found: Sequence[Winner], methods: Mapping[MethodName, Method], data: CFData
) -> _Found:
    settings = run.config.tune
    run.progress.start(TABLE, 1, unit="models")
    # A task that died for want of memory would die again, and what it is to measure can be done without.
    own = {"num_cpus": settings.cpus_per_trial, "num_gpus": settings.gpus_per_trial, "max_retries": 0}
    try:
        made: _Found = ray.get(ray.remote(_measure).options(**own).remote(base, found, methods, data, run.config))
    except RayError as error:
        made = _lacking(base, getattr(error, "cause", None) or error)
    if why := made[1].get("frontier_lacking"):
        log.warning("samplers are not measured on one model: %s", why)
    run.progress.advance()
    run.progress.finish()
    return made


def _measure(
    base: Winner, found: Sequence[Winner], methods: Mapping[MethodName, Method], data: CFData, config: Config
) -> _Found:
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    # Arrays out of the object store can't be written; no training and no sampler does.
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")
    try:
        model, asked = train_frozen(base, data, config), redrawn(found, methods)
        rows = frontier_rows(model, asked, _data_of(data, config.seed), config.seed)
    except (InputError, DivergedError, RuntimeError, ValueError, MemoryError) as error:
        return _lacking(base, error)
    return rows, {"frontier_model": base.name}


def _lacking(base: Winner, error: BaseException) -> _Found:
    return [], {"frontier_lacking": redacted(f"{base.name} trained once more: {first_line(error)}")}


def train_frozen(base: Winner, data: CFData, config: Config) -> Ranked:
    """Train a classical winner once more, with the run's own seed whichever search found it; return what ranks."""
    settings, own = config.tune, read_data(base.method.reads, data, config.seed)
    device = "cuda" if settings.gpus_per_trial else "cpu"
    fitted = train(own, base.config, config.seed, metric=settings.metric, cutoffs=settings.cutoffs, device=device)
    assert isinstance(fitted.trainer, Trainer)  # noqa: S101  no solved model is chosen
    return Ranked.of(fitted.trainer)


def _data_of(data: CFData, seed: int) -> DataOf:
    """Return what makes a method's data, and keeps what it made last."""
    return lru_cache(maxsize=_KEPT)(lambda reads: read_data(reads, data, seed))
