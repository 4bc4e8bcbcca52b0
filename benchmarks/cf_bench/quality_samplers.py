"""Do harder negatives rank better? MF with RNS, DNS and AHNS, paired over seeds and users.

By two protocols, as a sampler that learns faster also overfits sooner. Fixed: all training rows, so many epochs, the
published number of candidates. Chosen: a tenth of the training rows as validation, on which the number of candidates
(under the first seed) and the epoch are chosen, for every sampler alike. Neither chooses on test.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from cf_bench.datasets import Dataset
from cf_bench.report import Row, row_of
from hnlm_ray.cf import CFData, Training, train
from hnlm_ray.cf.files import hold_out
from hnlm_ray.compare.significance import compare
from hnlm_ray.config import CFConfig

SAMPLERS: Final[dict[str, dict[str, Any]]] = {
    "RNS": {"sampler": "rns"},
    "DNS": {"sampler": "dns"},
    "AHNS": {"sampler": "ahns", "ahns": {"alpha": 0.1, "beta": 0.4, "power": -2.0}},
}
"""AHNS as its authors published it for ML-1M."""
CANDIDATES: Final = 16
GRID: Final = (4, 8, 16, 32)
SAME: Final = {"model": "mf", "dim": 64, "lr": 1e-3, "reg": 1e-4, "batch_size": 2048, "eval_every": 2, "patience": 5}
METRICS: Final = ("ndcg@20", "recall@20")
LEVEL: Final = 0.05
LEAST: Final = {("ML-1M", "chosen on validation", "DNS", "ndcg@20"): 0.38}
"""What a change to the engine must not fall below; .364 is what a start ten times too large gave."""
PerUser = dict[str, np.ndarray]


def samplers(dataset: Dataset, epochs: int, seeds: int, *, judged: bool) -> list[Row]:
    """Train MF by each sampler, protocol and seed; test is read once a training, at the end."""
    rows = []
    for data, protocol in ((dataset.data, f"{epochs} epochs"), (hold_out(dataset.data, 0), "chosen on validation")):
        found, where = {}, f"{dataset.name}, {protocol}"
        for name in SAMPLERS:
            count = CANDIDATES if data.validation is None else choose_candidates(data, name, epochs)
            runs = [_per_user(data, name, count, epochs, seed) for seed in range(seeds)]
            found[f"{name} of {count}" if name != "RNS" else name] = runs
        for name in tuple(found)[1:]:
            for metric in METRICS:
                ours, base = (np.stack([run[metric] for run in found[side]]) for side in (name, "RNS"))
                least = LEAST.get((dataset.name, protocol, name.partition(" ")[0], metric), 0.0)
                rows.append(_row(f"MF with {name}, {where}", metric, ours, base, least, judged=judged))
    return rows


def choose_candidates(data: CFData, name: str, epochs: int) -> int:
    """Return how many candidates of ``GRID`` are best on validation under the first seed; RNS has no choice."""
    if name == "RNS":
        return CANDIDATES
    found = {count: _train(data, name, count, epochs, 0).validation["ndcg@20"] for count in GRID}
    sys.stderr.write(f"{name}, validation NDCG@20 by candidates: {found}\n")
    return max(found, key=found.__getitem__)


def _train(data: CFData, name: str, count: int, epochs: int, seed: int) -> Training:
    validation = "none" if data.validation is None else "split"
    config = CFConfig(epochs=epochs, candidates=count, validation=validation, **SAME, **SAMPLERS[name])
    return train(data, config, seed)


def _per_user(data: CFData, name: str, count: int, epochs: int, seed: int) -> PerUser:
    done = _train(data, name, count, epochs, seed)
    found = done.trainer.evaluate("test", (20,))
    figures = ", ".join(f"{metric} {found.means[metric]:.4f}" for metric in METRICS)
    sys.stderr.write(f"MF, {name} of {count}, seed {seed}, epoch {done.best_epoch} of {done.epochs}: {figures}\n")
    return found.per_user


def _row(work: str, metric: str, ours: np.ndarray, base: np.ndarray, least: float = 0.0, *, judged: bool) -> Row:
    result = compare(ours, base)
    runs = {
        "ours": ours.mean(1).tolist(),
        "theirs": base.mean(1).tolist(),
        "difference": result.difference,
        "ci95": result.ci95,
        "p": result.p,
    }
    work = f"{work} ({len(ours)} seeds, p {result.p:.2g})"
    row = row_of(work, "RNS", float(ours.mean()), float(base.mean()), unit=metric, runs=runs, more_is_better=True)
    if judged:
        target = f"> 1x, p < {LEVEL}" + (f", >= {least:g}" if least else "")
        row |= {"target": target, "met": result.difference > 0 and result.p < LEVEL and row["ours"] >= least}
    return row
