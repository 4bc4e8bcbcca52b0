"""Many small searches of one method, and the refits of what each found: null_searches.py FOLDER PART PARTS.

A process trains every PARTS-th search that FOLDER does not hold yet, so that several share the work, and one that was
stopped goes on. A search is a seed: the product draws its trials, trains them, chooses the winner and names its refits.
"""

import json
import os
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from null_fits import CONFIG, films

from hnlm_ray.config import Config
from hnlm_ray.tune.job import Job
from hnlm_ray.tune.run.training_row import training_row
from hnlm_ray.tune.search.suggest import Suggestions
from hnlm_ray.tune.stage import refit_jobs

NAMES, SEARCHES, TRIALS, FEW_TRIALS, SEEDS = 2, 3, 7, 4, 3
FILMS, POOLED, POOLED_SEEDS = 7, (11, 12, 13, 14), 2
"""Seeds of the made-up data: of one data set, and of four."""
METRIC, METHOD = "ndcg@20", "mf-dns"
SPACE = {"lr": {"log_uniform": [0.005, 0.06]}, "candidates": {"choice": [2, 4, 8]}}
SHORT = CONFIG.model_copy(update={"sampler": "dns", "lr": 0.01, "epochs": 6, "batch_size": 1024})
KEPT = ("search", "trial", "seed", "status", "validation", "test", "cpu_seconds")


@dataclass(frozen=True)
class Search:
    """One search of the method under one name: no other has its seed, nor its refits' seeds."""

    films: int
    pair: int
    name: int
    place: int

    @property
    def file(self):
        return f"{self.films}-{self.pair}-{self.name}-{self.place}"

    @property
    def seed(self):
        return 10 * (1 + self.place + SEARCHES * (self.name + NAMES * self.pair)) + 1_000_000 * self.films

    @property
    def budgets(self):
        """Trials and refits: of some searches the first four trials are compared too."""
        if self.films != FILMS:
            return ((FEW_TRIALS, POOLED_SEEDS),)
        return ((TRIALS, SEEDS), (FEW_TRIALS, SEEDS)) if self.place == 0 else ((TRIALS, SEEDS),)


def searches(pairs):
    """All of them: three of each name on one data set, one of each name on four others."""
    whole = [Search(FILMS, pair, name, place) for pair in range(pairs) for name in (0, 1) for place in range(SEARCHES)]
    return whole + [Search(data, pair, name, 0) for pair in range(pairs) for name in (0, 1) for data in POOLED]


def run_config(search, trials, seeds):
    tune = {
        "models": ["mf"], "methods": ["dns"], "trials": trials, "seeds": seeds, "cutoffs": [20], "metric": METRIC,
        "spaces": {"dns": {"space": SPACE}},
    }  # fmt: skip
    source = {"format": "ngcf", "path": "none"}
    return Config(name="null", workspace="none", source=source, seed=search.seed, cf=SHORT, tune=tune)


@cache
def data_of(seed):
    return films(seed)


def rows_of(search):
    """Return {trials: (rows of trials, rows of results)} of each budget, as the product makes them."""
    most, seeds = search.budgets[0]
    config = run_config(search, most, seeds)
    suggestions = Suggestions("dns", config.cf, "mf", config.tune, config.seed)
    jobs = [
        Job(
            {"method": METHOD, "search": 0, "trial": n},
            suggestions.suggest(n),
            "nothing",
            config.seed,
            reads_test=False,
        )
        for n in range(most)
    ]
    trials, refits, found = [trained(search, config, job) for job in jobs], {}, {}
    for budget, _ in search.budgets:
        jobs = refit_jobs(config, trials[:budget])
        keys = [(job.config.model_dump_json(), job.seed) for job in jobs]
        refits |= {key: trained(search, config, job) for key, job in zip(keys, jobs, strict=True) if key not in refits}
        found[budget] = trials[:budget], [refits[key] for key in keys]
    return found


def trained(search, config, job):
    return training_row(job, lambda _: data_of(search.films), config.tune)


def save(folder, search):
    texts, arrays = {}, {}
    for budget, (trials, results) in rows_of(search).items():
        texts[budget] = [
            [{name: row[name] for name in KEPT if name in row} for row in rows] for rows in (trials, results)
        ]
        arrays[f"per_user_{budget}"] = np.array([row["per_user"] for row in results], np.float32)
    path = os.path.join(folder, search.file)
    np.savez(f"{path}.part.npz", rows=json.dumps(texts), **arrays)
    os.replace(f"{path}.part.npz", f"{path}.npz")


def load(folder, search, trials, name, place):
    """Return the rows of trials and of results with so many trials, under another name and as a search of it.

    The names' seeds are others, so that they have nothing in common; the first refits of both are called alike, and so
    on, for what is compared is paired.
    """
    with np.load(os.path.join(folder, f"{search.file}.npz")) as kept:
        tables, per_user = json.loads(str(kept["rows"]))[str(trials)], kept[f"per_user_{trials}"]
    tried, results = [[{**row, "method": name, "search": place, "error": None} for row in rows] for rows in tables]
    refits = enumerate(zip(results, per_user, strict=True))
    return tried, [{**row, "seed": SEEDS * place + n, "per_user": own, "found": None} for n, (row, own) in refits]


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, part, parts, pairs = sys.argv[1], *map(int, sys.argv[2:])
    for search in searches(pairs)[part::parts]:
        if not os.path.exists(os.path.join(folder, f"{search.file}.npz")):
            save(folder, search)
