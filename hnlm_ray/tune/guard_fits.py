"""How good the guard's false-negative model is on this data: a table that the report shows and nothing is chosen by."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData
from hnlm_ray.cf.guard.calibration import measure_fits
from hnlm_ray.config import Config
from hnlm_ray.config.spaces import Reads
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

log = logging.getLogger(__name__)
TABLE = "false_negative_model"


def write_guard_fits(run: StageRun, data: CFData) -> None:
    """Write the table: the model by `cf.belief` with all that the run's methods read.

    It is empty without a guard, and with a warning where the model can't be fitted.
    """
    rows: list[dict[str, Any]] = []
    if has_guard(run.config):
        task = ray.remote(_rows).options(num_cpus=run.config.tune.cpus_per_trial)
        rows = ray.get(task.remote(read_data(_reads(run.config), data, run.config.seed), run.config))
    run.workspace.table(TABLE).write_part(
        run.fingerprint, "part-00000", pa.Table.from_pylist(rows, schema=TABLES[TABLE])
    )


def has_guard(config: Config) -> bool:
    """Tell whether a method of the run holds candidates back."""
    methods = RunMethods.of(config.tune).chosen.values()
    return any("guard" in method.space or method.fixed.get("guard") for method in methods)


def _reads(config: Config) -> Reads:
    methods = RunMethods.of(config.tune)
    if methods.reads_evidence:
        return "evidence"
    return "text" if methods.reads_text else "nothing"


def _rows(data: CFData, config: Config) -> list[dict[str, Any]]:
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    features = "cf" if data.item_text is None else "full"
    try:
        return [asdict(fit) for fit in measure_fits(data, features, config.cf.belief, config.seed)]
    except InputError as error:
        # Trainings that need this model have failed, one row each; the results of the others stand.
        log.warning("the guard's false-negative model is not measured: %s", error)
        return []
