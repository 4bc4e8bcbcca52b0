"""Works of whole processes: peak memory, two trainings side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import mean
from typing import Final

from cf_bench.bench import Bench, new_worker
from cf_bench.datasets import Dataset
from cf_bench.report import Run
from cf_bench.shown import PEAK, SPEED, Targets, add_all
from cf_bench.sides import open_own, peer_settings, warm_up
from cf_bench.workers import Worker, own_worker

BATCHES: Final = 40


def memory(bench: Bench, dataset: Dataset, targets: Targets) -> None:
    """Measure the most memory of a process that reads the pairs and trains LightGCN for some batches."""

    def ours() -> Run:
        with own_worker() as worker:
            return _trained(open_own(worker, dataset, "lightgcn"))

    def theirs(name: str) -> Run:
        with new_worker(name) as worker:
            worker.ask("open", **peer_settings(name, worker, dataset, "lightgcn"))
            return _trained(worker)

    sides: dict[str, Callable[[], Run]] = {"ours": ours}
    for name in ("RecBole", "LensKit"):
        if bench.peer(name) is not None:
            sides[name] = lambda name=name: theirs(name)
    add_all(bench, bench.race(sides), f"peak memory of training LightGCN, {dataset.name}", PEAK, targets)


def _trained(worker: Worker) -> Run:
    warm_up(worker)
    return worker.ask("memory")


def side_by_side(bench: Bench, dataset: Dataset, targets: Targets) -> None:
    """Train LightGCN in one process alone, then in two at once, by wall time; needs two cores."""
    if (os.cpu_count() or 1) < 2:
        bench.missing["two trainings side by side"] = "one core is too few"
        return
    both = [open_own(bench.own(name), dataset, "lightgcn") for name in ("ours", "second")]
    warm_up(*both)
    batches = bench.batches or BATCHES

    def alone() -> Run:
        return _mean([one.ask("train", batches=batches) for one in both])

    def together() -> Run:
        for one in both:
            one.send("train", batches=batches)
        return _mean([one.answer() for one in both])

    runs = bench.race({"ours": together, "one alone": alone})
    add_all(bench, runs, f"two LightGCN trainings side by side, {dataset.name}", SPEED, targets)


def _mean(runs: list[Run]) -> Run:
    return {"pairs": runs[0]["pairs"], "wall_s": mean(run["wall_s"] for run in runs)}
