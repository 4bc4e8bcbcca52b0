"""The same data, one rule that measures: our models against the peers' factors."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from cf_bench.bench import Bench, our_settings
from cf_bench.datasets import Dataset
from cf_bench.environments import PeerMissingError
from cf_bench.report import Row, row_of
from cf_bench.sides import check_pairs, peer_settings
from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import EmbeddingScores, evaluate, train
from hnlm_ray.config import CFConfig

METRICS: Final = ("recall@20", "ndcg@20")
ALONE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "LightGCN, exact softmax": ("lightgcn", {"loss": "softmax"}),
    "iALS": ("ials", {}),
    "EASE": ("ease", {}),
}
"""Models that no peer trains by the same rule: one seed, beside the nearest or the best of the peers."""
COUNTERPART: Final = {"iALS": "implicit ALS"}
IMPLICIT: Final = {"implicit ALS": "als", "implicit BPR": "bpr"}
SWEEPS: Final = 15
"""Of iALS and of implicit's ALS, whose default it is; implicit's BPR has its own 100 epochs."""
ROUNDING: Final = 5e-4
WITHIN: Final = 0.02
"""How far NDCG@20 of the same model may lie apart."""
Means = dict[str, float]


@dataclass(frozen=True)
class Twin:
    """A model of a peer, and the settings with which ours is the same: start, optimiser, what is regularised.

    They must agree.
    """

    peer: str
    title: str
    model: str
    settings: dict[str, Any]


TWINS: Final = (
    Twin("RecBole", "MF", "mf", {"init": "xavier_normal"}),
    Twin("RecBole", "LightGCN", "lightgcn", {"init": "xavier_uniform"}),
    Twin("LensKit", "MF", "mf", {"init": "normal", "init_std": 0.1}),
    Twin("LensKit", "LightGCN", "lightgcn", {"init": "normal", "init_std": 0.1, "reg": 0.0}),
)
"""Who does the same. LensKit's L2 is AdamW's weight decay, so that neither side has any there."""


def peers(bench: Bench, dataset: Dataset, epochs: int, seeds: int, *, judged: bool) -> list[Row]:
    """Train all on the training pairs: by gradients for equal ``epochs``; rows of test Recall and NDCG at 20."""
    rows = [row for twin in TWINS for row in _twin_rows(bench, dataset, twin, epochs, seeds)]
    theirs = _implicit(bench, dataset)
    for row in rows:
        if row["theirs"] is not None:
            theirs.setdefault(row["peer"], {})[row["unit"]] = row["theirs"]
    for name, (model, more) in ALONE.items():
        found = _own(bench, dataset, name, _settings(model, epochs) | more, 0)
        if found is not None:
            rows += [_row(dataset, name, found, theirs, metric) for metric in METRICS]
    return rows if judged else [row | {"target": None, "met": None} for row in rows]


def _twin_rows(bench: Bench, dataset: Dataset, twin: Twin, epochs: int, seeds: int) -> list[Row]:
    theirs = _of_peer(bench, dataset, twin, epochs, seeds)
    settings = _settings(twin.model, epochs) | twin.settings
    ours = [found for seed in range(seeds) if (found := _own(bench, dataset, twin.title, settings, seed)) is not None]
    return [_twin_row(dataset, twin, metric, ours, theirs) for metric in METRICS]


def _twin_row(dataset: Dataset, twin: Twin, metric: str, ours: list[Means], theirs: list[Means]) -> Row:
    sides = {"ours": [means[metric] for means in ours], "theirs": [means[metric] for means in theirs]}
    mean = {side: sum(values) / len(values) if values else None for side, values in sides.items()}
    work, peer = f"{twin.title}, {dataset.name}, {len(ours)} seeds", f"{twin.peer} {twin.title}"
    row = row_of(work, peer, mean["ours"], mean["theirs"], unit=metric, runs=sides, more_is_better=True)
    if metric == "ndcg@20" and row["ratio"] is not None:
        row |= {"target": f"within {WITHIN:.0%}", "met": abs(row["ratio"] - 1) <= WITHIN}
    return row


def _settings(model: str, epochs: int) -> dict[str, Any]:
    if model in {"mf", "lightgcn"}:
        return our_settings(model, epochs=epochs)
    return {"model": model, "dim": 64, "epochs": SWEEPS, "validation": "none"}


def _own(bench: Bench, dataset: Dataset, name: str, settings: dict[str, Any], seed: int) -> Means | None:
    try:
        done = train(dataset.data, CFConfig(**settings), seed)
    except InputError as error:  # EASE has a limit of items
        bench.missing[f"{name}, {dataset.name}"] = str(error)
        return None
    return _told(dataset, f"{name}, seed {seed}", evaluate(done.scorer, dataset.data, "test", (20,)).means)


def _told(dataset: Dataset, name: str, means: Means) -> Means:
    sys.stderr.write(f"{dataset.name}, {name}: " + ", ".join(f"{one} {means[one]:.4f}" for one in METRICS) + "\n")
    return {metric: means[metric] for metric in METRICS}


def _of_peer(bench: Bench, dataset: Dataset, twin: Twin, epochs: int, seeds: int) -> list[Means]:
    """Return the figures of a peer's factors, one a seed; empty where it fails or measures otherwise."""
    found: list[Means] = []
    for seed in range(seeds):
        worker = bench.peer(twin.peer)
        if worker is None:
            return []
        path = Path(worker.work) / "factors.npz"
        try:
            opened = peer_settings(twin.peer, worker, dataset, twin.model)
            opened |= {"reg": twin.settings.get("reg", opened["reg"]), "seed": seed}
            worker.pairs = worker.ask("open", **opened)["pairs"]
            check_pairs(worker, dataset)
            for _ in range(epochs):
                worker.ask("train", batches=None)
            worker.ask("export", path=str(path))
            own = worker.ask("evaluate", users_at_once=256) if twin.peer == "RecBole" else {}
        except PeerMissingError as error:
            bench.drop(twin.peer, error)
            return []
        means = _measured(dataset, path)
        if apart := disagreement(own, means):
            bench.missing[f"{twin.peer} {twin.title}, {dataset.name}"] = apart
            return []
        found.append(_told(dataset, f"{twin.peer} {twin.title}, seed {seed}", means))
    return found


def _implicit(bench: Bench, dataset: Dataset) -> dict[str, Means]:
    found: dict[str, Means] = {}
    for name, model in IMPLICIT.items():
        worker = bench.peer("implicit")
        if worker is None:
            break
        path = Path(worker.work) / "factors.npz"
        try:
            worker.ask("open", **peer_settings("implicit", worker, dataset, "mf"))
            worker.ask("export", path=str(path), model=model, settings={"factors": 64})
        except PeerMissingError as error:
            bench.drop("implicit", error)
            break
        found[name] = _told(dataset, name, _measured(dataset, path))
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
