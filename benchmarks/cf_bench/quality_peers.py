"""The same data, one rule that measures: our models against the peers' factors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from cf_bench.bench import Bench, our_settings
from cf_bench.datasets import Dataset
from cf_bench.environments import PeerMissingError
from cf_bench.report import Row, row_of
from cf_bench.sides import peer_settings
from cf_bench.workers import Worker
from hnlm_ray.cf import EmbeddingScores, evaluate, train
from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError

METRICS: Final = ("recall@20", "ndcg@20")
OURS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "MF": ("mf", {}),
    "LightGCN": ("lightgcn", {}),
    "LightGCN, exact softmax": ("lightgcn", {"loss": "softmax"}),
    "iALS": ("ials", {}),
    "EASE": ("ease", {}),
}
COUNTERPART: Final = {"MF": "RecBole BPR", "LightGCN": "RecBole LightGCN", "iALS": "implicit ALS"}
"""Who does the same; the others are compared with the best of the peers."""
RECBOLE: Final = {"RecBole BPR": "mf", "RecBole LightGCN": "lightgcn"}
IMPLICIT: Final = {"implicit ALS": "als", "implicit BPR": "bpr"}
SWEEPS: Final = 15
"""Of iALS and of implicit's ALS, whose default it is; implicit's BPR has its own 100 epochs."""
ROUNDING: Final = 5e-4
Means = dict[str, float]
Trained = Callable[[Worker, str, str], dict[str, Any]]
"""Trains a model, exports it to a path, and returns what the peer measures itself, if it does."""


def peers(bench: Bench, dataset: Dataset, epochs: int) -> list[Row]:
    """Train all on the training pairs: by gradients for equal ``epochs``; rows of test Recall and NDCG at 20."""
    theirs = _recbole(bench, dataset, epochs) | _implicit(bench, dataset)
    ours = {}
    for name, (model, more) in OURS.items():
        found = _own(bench, dataset, name, _settings(model, epochs) | more)
        if found is not None:
            ours[name] = found
    return [_row(dataset, name, ours[name], theirs, metric) for name in ours for metric in METRICS]


def _settings(model: str, epochs: int) -> dict[str, Any]:
    if model in {"mf", "lightgcn"}:
        return our_settings(model, epochs=epochs)
    return {"model": model, "dim": 64, "epochs": SWEEPS, "validation": "none"}


def _own(bench: Bench, dataset: Dataset, name: str, settings: dict[str, Any]) -> Means | None:
    try:
        done = train(dataset.data, CFConfig(**settings), 0)
    except InputError as error:  # EASE has a limit of items
        bench.missing[f"{name}, {dataset.name}"] = str(error)
        return None
    return _told(dataset, name, evaluate(done.scorer, dataset.data, "test", (20,)).means)


def _told(dataset: Dataset, name: str, means: Means) -> Means:
    sys.stderr.write(f"{dataset.name}, {name}: " + ", ".join(f"{one} {means[one]:.4f}" for one in METRICS) + "\n")
    return means


def _recbole(bench: Bench, dataset: Dataset, epochs: int) -> dict[str, Means]:
    def trained(worker: Worker, model: str, path: str) -> dict[str, Any]:
        worker.ask("open", **peer_settings("RecBole", worker, dataset, model))
        for _ in range(epochs):
            worker.ask("train", batches=None)
        worker.ask("export", path=path)
        return worker.ask("evaluate", users_at_once=256)

    return _of_peer(bench, dataset, "RecBole", RECBOLE, trained)


def _implicit(bench: Bench, dataset: Dataset) -> dict[str, Means]:
    def trained(worker: Worker, model: str, path: str) -> dict[str, Any]:
        worker.ask("open", **peer_settings("implicit", worker, dataset, "mf"))
        return worker.ask("export", path=path, model=model, settings={"factors": 64})

    return _of_peer(bench, dataset, "implicit", IMPLICIT, trained)


def _of_peer(bench: Bench, dataset: Dataset, peer: str, models: dict[str, str], trained: Trained) -> dict[str, Means]:
    found: dict[str, Means] = {}
    for name, model in models.items():
        worker = bench.peer(peer)
        if worker is None:
            break
        path = Path(worker.work) / "factors.npz"
        try:
            own = trained(worker, model, str(path))
        except PeerMissingError as error:
            bench.drop(peer, error)
            break
        means = _measured(dataset, path)
        if apart := disagreement(own, means):
            bench.missing[f"{name}, {dataset.name}"] = apart
        else:
            found[name] = _told(dataset, name, means)
    return found


def disagreement(own: dict[str, Any], ours: Means) -> str:
    """Say where a peer's own figures, rounded to four digits, are not what we measure; empty where they are."""
    for metric in METRICS:
        if abs(own.get(metric, ours[metric]) - ours[metric]) > ROUNDING:
            return f"it measures {metric} {own[metric]}, we {ours[metric]:.4f} from its factors"
    return ""


def _measured(dataset: Dataset, path: Path) -> Means:
    with np.load(path) as factors:
        users, items = (torch.from_numpy(factors[name].astype(np.float32)) for name in ("users", "items"))
    return evaluate(EmbeddingScores(users, items), dataset.data, "test", (20,)).means


def _row(dataset: Dataset, name: str, ours: Means, theirs: dict[str, Means], metric: str) -> Row:
    peer = COUNTERPART.get(name)
    if peer is None and theirs:
        peer = max(theirs, key=lambda one: theirs[one][metric])
    other = theirs[peer][metric] if peer in theirs else None
    runs = {side: means[metric] for side, means in theirs.items()}
    return row_of(
        f"{name}, {dataset.name}", peer or "", ours[metric], other, unit=metric, runs=runs, more_is_better=True
    )
