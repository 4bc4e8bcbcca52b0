"""Do harder negatives rank better? MF with RNS, DNS and AHNS, paired over seeds and users."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from cf_bench.datasets import Dataset
from cf_bench.report import Row, row_of
from hnlm_ray.cf import train
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.significance import compare

SAMPLERS: Final[dict[str, dict[str, Any]]] = {
    "RNS": {"sampler": "rns"},
    "DNS": {"sampler": "dns", "candidates": 16},
    "AHNS": {"sampler": "ahns", "candidates": 16, "ahns": {"alpha": 0.1, "beta": 0.4, "power": -2.0}},
}
"""AHNS as its authors published it for ML-1M; DNS with as many candidates."""
METRICS: Final = ("ndcg@20", "recall@20")
LEVEL: Final = 0.05


def samplers(dataset: Dataset, epochs: int, seeds: int, *, judged: bool) -> list[Row]:
    """Train MF by each sampler and seed for fixed epochs on all training rows; test is read once, at the end."""
    found = {name: [_per_user(dataset, name, epochs, seed) for seed in range(seeds)] for name in SAMPLERS}
    rows = []
    for name in tuple(SAMPLERS)[1:]:
        for metric in METRICS:
            ours, base = (np.stack([run[metric] for run in found[side]]) for side in (name, "RNS"))
            rows.append(_row(dataset, name, metric, ours, base, judged=judged and metric == METRICS[0]))
    return rows


def _per_user(dataset: Dataset, name: str, epochs: int, seed: int) -> dict[str, np.ndarray]:
    same = {"model": "mf", "dim": 64, "lr": 1e-3, "reg": 1e-4, "batch_size": 2048, "validation": "none"}
    done = train(dataset.data, CFConfig(epochs=epochs, **same, **SAMPLERS[name]), seed)
    evaluation = done.trainer.evaluate("test", (20,))
    sys.stderr.write(f"{dataset.name}, MF, {name}, seed {seed}: {evaluation.means}\n")
    return evaluation.per_user


def _row(dataset: Dataset, name: str, metric: str, ours: np.ndarray, base: np.ndarray, *, judged: bool) -> Row:
    result = compare(ours, base)
    runs = {
        "ours": ours.mean(1).tolist(),
        "theirs": base.mean(1).tolist(),
        "difference": result.difference,
        "ci95": result.ci95,
        "p": result.p,
    }
    work = f"MF with {name}, {dataset.name}, {len(ours)} seeds (p {result.p:.2g})"
    row = row_of(work, "RNS", float(ours.mean()), float(base.mean()), unit=metric, runs=runs, more_is_better=True)
    if judged:
        row |= {"target": f"> 1x, p < {LEVEL}", "met": result.difference > 0 and result.p < LEVEL}
    return row
