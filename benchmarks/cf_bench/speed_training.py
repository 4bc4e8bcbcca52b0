"""Works that train or draw: epochs, DNS, the loader, the exact softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cf_bench.bench import Bench
from cf_bench.datasets import Dataset
from cf_bench.report import Run
from cf_bench.shown import TRIPLES, Targets, add_all, epoch_seconds
from cf_bench.sides import open_own, open_peers, warm_up
from cf_bench.workers import Worker

CANDIDATES: Final = 32
GUARDED: Final = 16
UNGUARDED: Final = "our own, unguarded"
NEGATIVES: Final = 512
SAMPLED: Final = f"our own, {NEGATIVES} negatives"
MODELS: Final = {"mf": "MF", "lightgcn": "LightGCN"}
PEERS_OF: Final = {"mf": ("RecBole", "LensKit", "implicit"), "lightgcn": ("RecBole", "LensKit")}


def training(bench: Bench, dataset: Dataset, targets: Targets, model: str) -> None:
    """Time epochs with one uniform negative: MF's whole, LightGCN's by batches unless all are asked for."""
    batches = None if model == "mf" else bench.batches
    own = open_own(bench.own(), dataset, model)
    peers = open_peers(bench, dataset, model, PEERS_OF[model])
    warm_up(own, *(worker for name, worker in peers.items() if name != "implicit"))
    sides: dict[str, Callable[[], Run]] = {"ours": lambda: own.ask("train", batches=batches)}
    for name, worker in peers.items():
        # implicit trains whole epochs alone.
        given = {} if name == "implicit" else {"batches": batches}
        sides[name] = lambda worker=worker, given=given: worker.ask("train", **given)
    work = f"{MODELS[model]} epoch, {dataset.name}"
    add_all(bench, bench.race(sides), work, epoch_seconds(dataset), targets)


def dynamic(bench: Bench, dataset: Dataset, targets: Targets, model: str) -> None:
    """Time epochs with the hardest of 32 candidates."""
    own = open_own(bench.own(), dataset, model, sampler="dns", candidates=CANDIDATES)
    sides = {"ours": own, **open_peers(bench, dataset, model, ("RecBole",), CANDIDATES)}
    work = f"{MODELS[model]} epoch with DNS of {CANDIDATES}, {dataset.name}"
    add_all(bench, bench.race(_batches(bench, sides)), work, epoch_seconds(dataset), targets)


def guarded(bench: Bench, dataset: Dataset, targets: Targets, model: str) -> None:
    """Time epochs with the guarded hardest of 16 candidates against our own without a guard."""
    same = {"sampler": "dns", "candidates": GUARDED}
    with_guard = open_own(bench.own(), dataset, model, guard=0.5, guard_features="cf", **same)
    without = open_own(bench.own(UNGUARDED), dataset, model, **same)
    runs = bench.race(_batches(bench, {"ours": with_guard, UNGUARDED: without}))
    work = f"{MODELS[model]} epoch with guarded DNS of {GUARDED}, {dataset.name}"
    add_all(bench, runs, work, epoch_seconds(dataset), targets)


def _batches(bench: Bench, sides: dict[str, Worker]) -> dict[str, Callable[[], Run]]:
    return {name: lambda one=one: one.ask("train", batches=bench.batches) for name, one in sides.items()}


def sampling(bench: Bench, dataset: Dataset, targets: Targets) -> None:
    """Draw an epoch's triples through each loader: shuffled pairs with a uniform negative."""
    sides = {"ours": open_own(bench.own(), dataset, "mf"), **open_peers(bench, dataset, "mf", ("RecBole",))}
    for worker in sides.values():
        worker.ask("sample")
    runs = bench.race({name: lambda one=one: one.ask("sample") for name, one in sides.items()})
    add_all(bench, runs, f"uniform sampling through the loader, {dataset.name}", TRIPLES, targets)


def softmax(bench: Bench, dataset: Dataset, targets: Targets, model: str) -> None:
    """Time the exact softmax over the catalogue against our own with sampled negatives."""
    exact = open_own(bench.own(), dataset, model, loss="softmax")
    sampled = open_own(bench.own(SAMPLED), dataset, model, loss="sampled_softmax", softmax={"negatives": NEGATIVES})
    runs = bench.race(_batches(bench, {"ours": exact, SAMPLED: sampled}))
    work = f"{MODELS[model]} exact softmax epoch, {dataset.name}"
    add_all(bench, runs, work, epoch_seconds(dataset), targets)
