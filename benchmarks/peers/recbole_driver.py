# ruff: noqa: INP001, E402 - a file run by another environment's Python; patches stand before the imports they serve
"""Drives RecBole 1.2.1, which predates NumPy 2 and current SciPy and PyTorch: see ``patch``.

The patches stand here and not in RecBole's files. They bring back names that were removed and change no arithmetic.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch


def patch() -> None:
    """Bring back the names that RecBole 1.2.1 takes from older NumPy and SciPy."""
    old_names = {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "bool8": np.bool_}
    for name, kept in old_names.items():
        if not hasattr(np, name):
            setattr(np, name, kept)
    if not hasattr(scipy.sparse.dok_matrix, "_update"):
        scipy.sparse.dok_matrix._update = lambda self, entries: self._dict.update(entries)  # noqa: SLF001


patch()
sys.argv = sys.argv[:1]  # RecBole's Config reads the command line

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from serving import Clock, read_pairs, read_sizes, serve, some_batches, versions

MODELS = {"mf": "BPR", "lightgcn": "LightGCN"}


class Peer:
    """One data set and one model at a time."""

    def open(
        self,
        folder: str,
        work: str,
        model: str,
        *,
        dim: int,
        layers: int,
        batch: int,
        lr: float,
        reg: float,
        candidates: int,
    ) -> dict[str, Any]:
        """Read the pairs and build a model; ``candidates`` above 0: the dynamic sampler draws so many."""
        negatives = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
        if candidates:
            negatives |= {"dynamic": True, "candidate_num": candidates}
        os.chdir(work)  # it writes logs and checkpoints where it stands
        _write_atomic(folder, work)
        settings = {
            "data_path": work,
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "embedding_size": dim,
            "n_layers": layers,
            "reg_weight": reg,
            "require_pow": True,
            "learning_rate": lr,
            "train_batch_size": batch,
            "train_neg_sample_args": negatives,
            "eval_args": {"mode": "full", "order": "RO", "group_by": "user"},
            "metrics": ["Recall", "NDCG"],
            "topk": [20],
            "valid_metric": "NDCG@20",
            "use_gpu": False,
            "show_progress": False,
            "state": "ERROR",
            "save_dataset": False,
        }
        self.config = Config(model=MODELS[model], dataset="pairs", config_dict=settings)
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
        """Write the final factors in our numbering; a user or item without a training pair gets zeros."""
        self.model.eval()
        with torch.no_grad():
            of_users, of_items = (
                self.model.forward()
                if self.config["model"] == "LightGCN"
                else (self.model.user_embedding.weight, self.model.item_embedding.weight)
            )
        tables = {}
        for name, field, own, rows in (
            ("users", "user_id", of_users, self.sizes[0]),
            ("items", "item_id", of_items, self.sizes[1]),
        ):
            tokens = self.dataset.field2id_token[field][1:].astype(np.int64)  # row 0 is padding
            tables[name] = np.zeros((rows, own.shape[1]), np.float32)
            tables[name][tokens] = own.detach().numpy()[1:]
        np.savez(path, **tables)
        return {}


def _write_atomic(folder: str, work: str) -> None:
    """Write RecBole's files; it wants a validation split, which is the first test pair here and trains nothing."""
    target = Path(work) / "pairs"
    target.mkdir(exist_ok=True)
    for split, rows in (
        ("train", read_pairs(folder, "train")),
        ("valid", read_pairs(folder, "test")[:1]),
        ("test", read_pairs(folder, "test")),
    ):
        path = target / f"pairs.{split}.inter"
        np.savetxt(path, rows, "%d", "\t", header="user_id:token\titem_id:token", comments="")


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
