"""How many rows each stage will write, from the prepared tables alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from hnlm_ray.config import Config
from hnlm_ray.finetune.meanings import MEANINGS
from hnlm_ray.tune.methods import RunMethods, trials_of
from hnlm_ray.workspace import Workspace

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prepared:
    """The size of a prepared data set; ``per_user`` int64[users] counts each user's training interactions.

    ``mined_share``: of the pairs that are mined, those that get a hard negative; 1 before anybody knows.
    """

    users: int
    items: int
    per_user: Counts
    interactions: int
    mined_share: float = 1.0

    @property
    def train(self) -> int:
        """Training interactions."""
        return int(self.per_user.sum())

    def pairs(self, budget: int) -> int:
        """Return how many training pairs are chosen where each user has a budget of them."""
        return int(np.minimum(self.per_user, budget).sum())


def read_prepared(workspace: Workspace) -> Prepared:
    """Count the prepared tables, a file of interactions at a time."""
    users, items = (sum(file.rows for file in workspace.table(name).published().files) for name in ("users", "items"))
    store = workspace.table("interactions")
    per_user, rows = np.zeros(users, dtype=np.int64), 0
    for index in range(len(store.published().files)):
        table = store.read_file(index, ["user", "split"])
        train = table.filter(pc.equal(table["split"], "train"))["user"].to_numpy()
        per_user += np.bincount(train, minlength=users)
        rows += table.num_rows
    return Prepared(users, items, per_user, rows)


def records(config: Config, data: Prepared) -> int:
    """Return how many supervision records there will be."""
    return min(config.records.most, round(data.mined_share * data.pairs(config.teacher.pairs_per_user)))


def training_records(config: Config, data: Prepared) -> int:
    """Return those of users that are not held out."""
    return max(1, round(records(config, data) * (1 - config.records.held_out_users)))


def steps(config: Config, data: Prepared) -> int:
    """Return the steps of the fine-tuning."""
    return -(-training_records(config, data) // config.finetune.batch_size) * config.finetune.epochs


def trials(config: Config) -> int:
    """Return the trials of all searches of all methods."""
    compared = RunMethods.of(config.tune).compared.values()
    return config.tune.searches * sum(trials_of(one.method, config.tune) for one in compared)


def refits(config: Config) -> int:
    """Return the refits of all searches' winners."""
    return len(RunMethods.of(config.tune).compared) * config.tune.searches * config.tune.seeds


_MEASUREMENTS: Final = 2  # rows of the fine-tuning's log before its first step

ROWS: Final[Mapping[str, Callable[[Config, Prepared], int]]] = {
    "item_profiles": lambda _config, data: data.items,
    "user_profiles": lambda _config, data: data.users,
    "candidates": lambda config, data: min(data.users, config.evidence.users),
    "judgements": lambda config, data: min(data.users, config.evidence.users),
    "semantic_negatives": lambda config, data: data.pairs(config.negatives.pairs_per_user),
    "teacher": lambda _config, data: data.users,
    "records": records,
    "finetune": lambda config, data: steps(config, data) + _MEASUREMENTS,
    "finetune_eval": lambda _config, _data: len(MEANINGS),
    "embeddings": lambda config, data: data.pairs(config.embeddings.pairs_per_user),
    "negative_pool": lambda _config, data: data.train,
    "trials": lambda config, _data: trials(config),
    "results": lambda config, _data: refits(config),
    "final_model": lambda _config, data: data.users,
    "recommendations": lambda config, data: int(np.clip(data.items - data.per_user, 0, config.recommend.k).sum()),
}
"""Rows of each stage's first table, at most. The lists of users who have seen nearly everything may be shorter still,
and ``evidence.token_budget`` may leave out users whom ``evidence.users`` allows."""
