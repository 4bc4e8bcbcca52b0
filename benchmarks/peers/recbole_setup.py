# ruff: noqa: INP001, E402 - beside the drivers; patches stand before the imports they serve
"""What every driver of RecBole 1.2.1 shares: its patches, its files, its settings, its factors in our numbering.

It predates NumPy 2 and current SciPy. The patches stand here and not in its files: they bring back names that were
removed and change no arithmetic.
"""

from __future__ import annotations

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

MODELS = {"mf": "BPR", "lightgcn": "LightGCN"}


def write_atomic(work: str, **splits: np.ndarray) -> None:
    """Write RecBole's files of train, valid and test: pairs of users and items, int[pairs, 2] each."""
    target = Path(work) / "pairs"
    target.mkdir(exist_ok=True)
    for split, rows in splits.items():
        path = target / f"pairs.{split}.inter"
        np.savetxt(path, rows, "%d", "\t", header="user_id:token\titem_id:token", comments="")


def config_of(
    work: str, model: str, *, dim: int, layers: int, batch: int, lr: float, reg: float, candidates: int, **more: object
) -> Config:
    """Return RecBole's configuration; ``candidates`` above 0: the dynamic sampler draws so many."""
    negatives = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    if candidates:
        negatives |= {"dynamic": True, "candidate_num": candidates}
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
    return Config(model=MODELS[model], dataset="pairs", config_dict=settings | more)


def export_factors(path: str, model: Any, dataset: Any, sizes: tuple[int, int]) -> None:  # noqa: ANN401  RecBole's
    """Write a model's final factors in our numbering; a user or item without a training pair gets zeros."""
    model.eval()
    with torch.no_grad():
        of_users, of_items = (
            model.forward()
            if type(model).__name__ == "LightGCN"
            else (model.user_embedding.weight, model.item_embedding.weight)
        )
    tables = {}
    for name, field, own, rows in (
        ("users", "user_id", of_users, sizes[0]),
        ("items", "item_id", of_items, sizes[1]),
    ):
        tokens = dataset.field2id_token[field][1:].astype(np.int64)  # row 0 is padding
        tables[name] = np.zeros((rows, own.shape[1]), np.float32)
        tables[name][tokens] = own.detach().numpy()[1:]
    np.savez(path, **tables)
