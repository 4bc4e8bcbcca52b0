"""LightGCN on Gowalla's published split against its authors' published figures."""

from __future__ import annotations

import sys
from typing import Final

from cf_bench.datasets import Dataset
from cf_bench.report import Row, row_of
from hnlm_ray.cf import Trainer
from hnlm_ray.config import CFConfig

PUBLISHED: Final = {5: {"recall@20": 0.1071, "ndcg@20": 0.0894}, "end": {"recall@20": 0.1824, "ndcg@20": 0.1547}}
"""From the README of LightGCN-PyTorch: its log at epoch 5 and its best of 1000 epochs (3 layers)."""
LEAST: Final = {"recall@20": 0.105, "ndcg@20": 0.088}
FIRST: Final = 5
EVERY: Final = 20


def published(dataset: Dataset, epochs: int, *, judged: bool) -> list[Row]:
    """Train with the published settings; rows of epoch 5 and of the last."""
    settings = {"model": "lightgcn", "layers": 3, "dim": 64, "lr": 1e-3, "reg": 1e-4, "batch_size": 2048}
    trainer = Trainer(dataset.data, CFConfig(validation="none", **settings), 0)
    curve: dict[int, dict[str, float]] = {}
    while trainer.epoch < epochs:
        report = trainer.run_epoch()
        if report.epoch in {FIRST, epochs} or report.epoch % EVERY == 0:
            curve[report.epoch] = trainer.evaluate("test", (20,)).means
            sys.stderr.write(f"{dataset.name}, LightGCN, epoch {report.epoch}: {curve[report.epoch]}\n")
    rows = [_row(dataset, metric, curve, FIRST, judged=judged) for metric in LEAST if epochs >= FIRST]
    return rows + [_row(dataset, metric, curve, epochs, judged=judged) for metric in LEAST if epochs != FIRST]


def _row(dataset: Dataset, metric: str, curve: dict[int, dict[str, float]], epoch: int, *, judged: bool) -> Row:
    theirs = PUBLISHED[5 if epoch == FIRST else "end"][metric] if judged else None
    least = LEAST[metric] if judged and epoch == FIRST else None
    peer = "the authors' log at epoch 5" if epoch == FIRST else "the authors' best of 1000 epochs"
    work, runs = f"LightGCN, 3 layers, {dataset.name}, epoch {epoch}", {at: one[metric] for at, one in curve.items()}
    return row_of(work, peer, curve[epoch][metric], theirs, unit=metric, least=least, runs=runs, more_is_better=True)
