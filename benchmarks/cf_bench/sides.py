"""Opening the same data and model on all sides."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cf_bench.bench import BATCH, DIM, LAYERS, LR, REG, Bench, our_settings
from cf_bench.datasets import Dataset
from cf_bench.workers import Worker


def peer_settings(name: str, worker: Worker, dataset: Dataset, model: str, candidates: int = 0) -> dict[str, Any]:
    """Return what a peer's ``open`` takes."""
    same = {"folder": str(dataset.folder), "dim": DIM, "lr": LR, "reg": REG[model]}
    if name == "implicit":
        return same
    same |= {"model": model, "layers": LAYERS, "batch": BATCH}
    return same | {"work": worker.work, "candidates": candidates} if name == "RecBole" else same


def open_own(worker: Worker, dataset: Dataset, model: str, **more: object) -> Worker:
    """Open a data set and a model in this engine; exit unless it trains on all pairs."""
    worker.pairs = worker.ask("open", folder=str(dataset.folder), settings=our_settings(model, **more))["pairs"]
    check_pairs(worker, dataset)
    return worker


def open_peers(
    bench: Bench, dataset: Dataset, model: str, peers: Sequence[str], candidates: int = 0
) -> dict[str, Worker]:
    """Open the same in the peers that are there."""
    opened = {}
    for name in peers:
        started = bench.peer(name)
        if started is not None:
            worker = bench.opened(name, **peer_settings(name, started, dataset, model, candidates))
            if worker is not None:
                check_pairs(worker, dataset)
                opened[name] = worker
    return opened


def check_pairs(worker: Worker, dataset: Dataset) -> None:
    """Exit unless a side trains on as many pairs as there are."""
    if worker.pairs != len(dataset.data.train):
        sys.exit(f"{worker.name} trains on {worker.pairs} pairs of {dataset.name}, not on {len(dataset.data.train)}")


def warm_up(*workers: Worker) -> None:
    """Train on a few batches, off the clock."""
    for worker in workers:
        worker.ask("train", batches=1)
