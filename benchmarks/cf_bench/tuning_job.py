"""The job that all tuners get: one validation part, the same ranges, and as long trainings at most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cf_bench.datasets import write_pairs
from hnlm_ray.cf import CFData
from hnlm_ray.cf.files import hold_out

JOB: Final[dict[str, Any]] = {
    "ranges": {
        "model": ["mf", "lightgcn"],
        "lr": [5e-4, 1e-2],
        "reg": [1e-6, 3e-3],
        "layers": [1, 2, 3],
        "candidates": [4, 8, 16],
    },
    "same": {"dim": 64, "batch": 8192},
    "length": {"epochs": 10, "eval_every": 2, "patience": 3},
    "cores": 2,
    "most_trials": 10_000,
    "seed": 0,
}
"""``lr`` and ``reg`` by their logarithm; negatives are uniform or DNS of ``candidates``; ``layers`` are LightGCN's."""
QUICK_LENGTH: Final = {"epochs": 2, "eval_every": 1, "patience": 3}
METRIC: Final = "ndcg@20"
METHOD: Final = "shared_job"


def write_job(data: CFData, folder: Path, *, quick: bool) -> CFData:
    """Write the job and its pairs, a tenth of each user's training pairs as validation; returns what tuners see."""
    seen = hold_out(CFData(data.users, data.items, data.train), 0)
    assert seen.validation is not None  # noqa: S101 - just held out
    write_pairs(folder, (seen.users, seen.items), train=seen.train.pairs(), validation=seen.validation.pairs())
    job = JOB | ({"length": QUICK_LENGTH} if quick else {})
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return seen


def sweep_tree(job: dict[str, Any], workspace: str) -> dict[str, Any]:
    """Return the job as a configuration of the pipeline: one method of our own, searched on either model by TPE."""
    ranges = job["ranges"]
    space = {
        "lr": {"log_uniform": ranges["lr"]},
        "reg": {"log_uniform": ranges["reg"]},
        "sampler": {"choice": ["rns", "dns"]},
        "candidates": {"when": "sampler", "is": {"dns": {"choice": ranges["candidates"]}}},
        "layers": {"when": "model", "is": {"lightgcn": {"choice": ranges["layers"]}}},
    }
    method = {"family": "classical", "models": "any", "reads": "nothing", "fixed": {"guard": 0, "graph": 0}}
    tune = {
        "methods": [METHOD],
        "models": ranges["model"],
        "spaces": {METHOD: method | {"space": space}},
        "search": "tpe",
        "trials": job["most_trials"],
        "concurrent": job["cores"],
        "cutoffs": [20],
    }
    tree = {"name": "tuning-peers", "workspace": workspace, "source": {"format": "movielens_100k"}, "seed": job["seed"]}
    return tree | {"cf": base_settings(job), "tune": tune, "ray": {"cpus": 4}}


def base_settings(job: dict[str, Any]) -> dict[str, Any]:
    """Return what every training of ours has in common."""
    return {"dim": job["same"]["dim"], "batch_size": job["same"]["batch"], **job["length"]}


def asked_settings(job: dict[str, Any], trial: Any) -> dict[str, Any]:  # noqa: ANN401  Optuna is untyped
    """Return one trial's settings as someone asks Optuna for them by hand."""
    ranges = job["ranges"]
    asked = {name: trial.suggest_float(name, *ranges[name], log=True) for name in ("lr", "reg")}
    asked["model"] = trial.suggest_categorical("model", ranges["model"])
    asked["sampler"] = trial.suggest_categorical("sampler", ["rns", "dns"])
    if asked["sampler"] == "dns":
        asked["candidates"] = trial.suggest_categorical("candidates", ranges["candidates"])
    if asked["model"] == "lightgcn":
        asked["layers"] = trial.suggest_categorical("layers", ranges["layers"])
    return base_settings(job) | asked
