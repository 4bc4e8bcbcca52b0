# ruff: noqa: INP001 - a file run by another environment's Python
"""Drives RecBole 1.2.1."""

from __future__ import annotations

import os
from typing import Any

import torch
from recbole_setup import config_of, export_factors, write_atomic  # first: it patches what RecBole imports

# isort: split
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from serving import Clock, read_pairs, read_sizes, serve, some_batches, versions


class Peer:
    """One data set and one model at a time."""

    def open(self, folder: str, work: str, model: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401  of config_of
        """Read the pairs and build a model; it wants a validation split: the first test pair, which trains nothing."""
        os.chdir(work)  # it writes logs and checkpoints where it stands
        train, test = (read_pairs(folder, split) for split in ("train", "test"))
        write_atomic(work, train=train, valid=test[:1], test=test)
        self.config = config_of(work, model, **settings)
        init_seed(self.config["seed"], self.config["reproducibility"])
        self.dataset = create_dataset(self.config)
        self.train_data, _, self.test_data = data_preparation(self.config, self.dataset)
        self.model = get_model(self.config["model"])(self.config, self.train_data._dataset)  # noqa: SLF001
        self.trainer = get_trainer(self.config["MODEL_TYPE"], self.config["model"])(self.config, self.model)
        self.train_data.get_model(self.model)
        self.sizes = read_sizes(folder)
        return {"pairs": len(self.train_data._dataset), "batches": len(self.train_data)}  # noqa: SLF001

    def train(self, batches: int | None) -> dict[str, Any]:
        """Train on some batches, or on a whole epoch where ``batches`` is none."""
        clock = Clock()
        stream = self.train_data if batches is None else some_batches(iter(self.train_data), batches, clock, len)
        loss = self.trainer._train_epoch(stream, 0)  # noqa: SLF001 - fit() would evaluate and write checkpoints
        clock.pairs = clock.pairs or len(self.train_data._dataset)  # noqa: SLF001
        return clock.stop() | {"loss": float(loss)}

    def sample(self) -> dict[str, Any]:
        """Draw an epoch's triples through the loader."""
        clock = Clock()
        for batch in self.train_data:
            clock.pairs += len(batch)
        return clock.stop()

    def evaluate(self, users_at_once: int) -> dict[str, Any]:
        """Rank for all test users and measure; ``users_at_once`` users a block (RecBole counts users x items)."""
        self.config["eval_batch_size"] = users_at_once * self.dataset.item_num
        data = type(self.test_data)(self.config, self.test_data._dataset, self.test_data._sampler)  # noqa: SLF001
        self.model.restore_user_e = self.model.restore_item_e = None
        clock = Clock()
        found = self.trainer.evaluate(data, load_best_model=False, show_progress=False)
        return clock.stop() | {"recall@20": float(found["recall@20"]), "ndcg@20": float(found["ndcg@20"])}

    def export(self, path: str) -> dict[str, Any]:
        """Write the final factors in our numbering."""
        export_factors(path, self.model, self.dataset, self.sizes)
        return {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    peer = Peer()
    serve(
        {
            "versions": lambda: versions("recbole", "torch", "numpy", "scipy", "pandas"),
            "open": peer.open,
            "train": peer.train,
            "sample": peer.sample,
            "evaluate": peer.evaluate,
            "export": peer.export,
        }
    )
