"""Training the teacher: a CF model that sees training rows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hnlm_ray.cf import CFData, DivergedError, Positives, Trainer
from hnlm_ray.config import Config
from hnlm_ray.teacher.vectors import Vectors
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import bucket_count, training_rows


def training_data(workspace: Workspace) -> CFData:
    """Read the training pairs of all users; the data has no other split."""
    rows = [training_rows(workspace, bucket) for bucket in range(bucket_count(workspace))]
    of_users, of_items = (np.concatenate([part[name].to_numpy() for part in rows]) for name in ("user", "item"))
    users = workspace.table("users").read(["user"]).num_rows
    items = workspace.table("items").read(["item"]).num_rows
    return CFData(users, items, Positives.from_pairs(of_users, of_items, users))


def train_teacher(data: CFData, config: Config) -> Iterator[tuple[Vectors, Vectors] | None]:
    """Train ``config.teacher.cf`` for exactly its epochs: yields None after each, then users and items.

    Vectors are the model's final embeddings as they are, float32, not normalised.

    Raises
    ------
    DivergedError
        The loss or an embedding is not finite.
    """
    import torch

    settings = config.tune
    torch.set_num_threads(max(1, int(settings.cpus_per_trial)))
    device = "cuda" if settings.gpus_per_trial and torch.cuda.is_available() else "cpu"
    trainer = Trainer(data, config.teacher.cf, config.seed, device)
    while trainer.epoch < config.teacher.cf.epochs:
        trainer.run_epoch()
        yield None
    matrices = [part.cpu().numpy() for part in trainer.model.embeddings()]
    if not all(np.isfinite(matrix).all() for matrix in matrices):
        raise DivergedError("the teacher's embeddings are not finite: lower teacher.cf.lr")
    users, items = (Vectors(matrix, np.ones(len(matrix), bool)) for matrix in matrices)
    yield users, items
