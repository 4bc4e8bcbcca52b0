"""How many rows each stage will write, from the prepared tables alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from hnlm_ray.config import Config
from hnlm_ray.methods.known import RunMethods, trials_of
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
