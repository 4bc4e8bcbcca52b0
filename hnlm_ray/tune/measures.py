"""Two measures fed back into nothing: negatives that are in truth liked, and the false-negative model's figures.

The first are held-out positives of their user; the second is how good the guard's model is on this data.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.cf.guard.calibration import measure_fits
from hnlm_ray.config import Config
from hnlm_ray.config.spaces import Reads
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.control_data import read_data
from hnlm_ray.workspace import TableStore
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


Indices = npt.NDArray[np.int32]
Counts = dict[str, int | float | str | None]


def pool_false_negatives(data: CFData) -> Counts:
    """Count pool entries that are held-out positives of their user: direct false negatives.

    ``share_at_random`` is what items drawn uniformly from those the user has not trained on would give.
    """
    if data.pool is None or not _held_out(data):
        return {}
    users = data.train.pairs()[0][data.pool.edges()]
    hits = _hits(data, users, data.pool.items)
    return {
        "pool_entries": len(users),
        "pool_false_negatives": hits,
        "pool_false_negative_share": round(hits / len(users), 5),
        "share_at_random": round(_share_at_random(data, users), 5),
    }


def text_false_negatives(data: CFData, users: Indices, items: Indices) -> Counts:
    """Count the items named by texts (``items_named``) that are held-out positives of their user.

    ``text_share_at_random`` is what items drawn uniformly from those the user has not trained on would give.
    Nothing where nothing is held out; without a share where no text names an item.
    """
    if not _held_out(data):
        return {}
    hits = _hits(data, users, items)
    counts: Counts = {"text_named": len(users), "text_false_negatives": hits}
    if not len(users):
        return counts
    share, at_random = hits / len(users), _share_at_random(data, users)
    return counts | {"text_false_negative_share": round(share, 5), "text_share_at_random": round(at_random, 5)}


def items_named(pool: TableStore) -> tuple[Indices, Indices]:
    """Return the pairs whose own text names an item of the catalogue by its title: users and the items named."""
    rows = pool.read(["user", "negatives", "verdict"]).combine_chunks()
    named = rows.filter(pc.is_in(rows["verdict"], pa.array(["exact", "fuzzy"])))
    return named["user"].to_numpy(), pc.list_element(named["negatives"], 0).to_numpy()


def random_false_negatives(data: CFData) -> dict[str, float]:
    """Return the share of false ones among uniform negatives of all training pairs, in expectation.

    ``random_false_negative_share``, empty where nothing is held out: the mean over the pairs whose user has an item
    left of the held-out positives of the user by the items that the user has not trained on. The measured shares of
    results are of a seeded sample of the same pairs.
    """
    users = data.train.pairs()[0]
    users = users[data.train.degree[users] < data.items]
    if not _held_out(data) or not len(users):
        return {}
    return {"random_false_negative_share": round(_share_at_random(data, users), 5)}


def _held_out(data: CFData) -> list[Positives]:
    return [split for split in (data.validation, data.test) if split is not None]


def _hits(data: CFData, users: Indices, items: Indices) -> int:
    keys = users.astype(np.int64) * data.items + items
    return sum(int(np.isin(keys, split.keys(data.items)).sum()) for split in _held_out(data))


def _share_at_random(data: CFData, users: Indices) -> float:
    unseen = data.items - data.train.degree[users]
    return float((sum(split.degree[users] for split in _held_out(data)) / unseen).mean())
