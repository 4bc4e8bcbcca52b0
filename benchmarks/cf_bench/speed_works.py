"""The works of the speed run, by name, and what each must reach."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from cf_bench.bench import Bench
from cf_bench.datasets import Dataset
from cf_bench.environments import PeerMissingError
from cf_bench.shown import Targets
from cf_bench.speed_processes import memory, side_by_side
from cf_bench.speed_ranking import evaluation
from cf_bench.speed_training import SAMPLED, UNGUARDED, dynamic, guarded, sampling, softmax, training

Work = Callable[[Bench, Dataset, Targets], None]
WORKS: Final[dict[str, Work]] = {
    "lightgcn": partial(training, model="lightgcn"),
    "mf": partial(training, model="mf"),
    "sampling": sampling,
    "evaluation": evaluation,
    "dns-mf": partial(dynamic, model="mf"),
    "dns-lightgcn": partial(dynamic, model="lightgcn"),
    "guard-mf": partial(guarded, model="mf"),
    "guard-lightgcn": partial(guarded, model="lightgcn"),
    "softmax-mf": partial(softmax, model="mf"),
    "softmax-lightgcn": partial(softmax, model="lightgcn"),
    "memory": memory,
    "side-by-side": side_by_side,
}
EVALUATION: Final = {"RecBole": 2.0, "implicit": 0.91}
TARGETS: Final[dict[str, dict[str, Targets]]] = {
    "lightgcn": {"Gowalla": {"RecBole": 6.0}, "ML-1M": {"RecBole": 12.0}},
    "mf": {"Gowalla": {"RecBole": 3.0}, "ML-1M": {"RecBole": 2.5}},
    "sampling": {"Gowalla": {"RecBole": 20.0}},
    "evaluation": {"Gowalla": EVALUATION, "ML-1M": EVALUATION},
    "dns-mf": {"Gowalla": {"RecBole": 5.0}, "ML-1M": {"RecBole": 5.0}},
    "dns-lightgcn": {"Gowalla": {"RecBole": 5.0}, "ML-1M": {"RecBole": 5.0}},
    "guard-mf": {"ML-1M": {UNGUARDED: 1 / 1.25}},
    "guard-lightgcn": {"ML-1M": {UNGUARDED: 1 / 1.25}},
    "softmax-mf": {"ML-1M": {SAMPLED: 3.0}},
    "softmax-lightgcn": {"ML-1M": {SAMPLED: 3.0}},
    "memory": {"Gowalla": {"RecBole": 1 / 0.65}},
    "side-by-side": {"Gowalla": {"one alone": 0.85}},
}
"""The least ratio of each work on each data set, by peer; a work runs on the data sets that it names."""


def run_work(bench: Bench, name: str, dataset: Dataset) -> None:
    """Run one work on a data set; a peer that ends within it is reported."""
    try:
        WORKS[name](bench, dataset, TARGETS[name].get(dataset.name, {}))
    except PeerMissingError as error:
        bench.missing[f"{name}, {dataset.name}"] = str(error).splitlines()[0]
        sys.stderr.write(f"{error}\n")
