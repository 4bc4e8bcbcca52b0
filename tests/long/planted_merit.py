"""Data in which it is known what helps, and the product's own way from trials to the words, without a cluster."""

import numpy as np

from hnlm_ray.cf import CFData, Positives
from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.config import Config
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.control_data import KeptData
from hnlm_ray.tune.job import Ending
from hnlm_ray.tune.run.training_row import training_row
from hnlm_ray.tune.search.job_queue import SearchedJobs
from hnlm_ray.tune.stage import refit_jobs, searched_methods

USERS, ITEMS, TASTES, WIDTH, TRAIN = 300, 300, 4, 24, 4
METHODS = ("popularity", "softmax", "ease", "fusion_cf", "fusion", "fusion_shuffled", "fusion_facts")
PLANTED = {
    # what users go by: facts of the items, and what an LLM's profile says beside them
    "facts": (1.6, 0.0),
    "profile": (0.0, 1.8),
    "both": (1.1, 1.1),
    "none": (0.0, 0.0),
}
MERIT = {"facts": "texts", "profile": "LLM", "both": "LLM", "none": "nothing"}


def planted(kind, seed):
    """Items with facts and with a profile; users who go by one, by both, or by what no text tells."""
    draw = np.random.default_rng([seed, list(PLANTED).index(kind)])
    facts, profile, untold = (draw.normal(size=(ITEMS, TASTES)) for _ in range(3))
    by_facts, by_profile = PLANTED[kind]
    liking = 1.2 * draw.normal(size=ITEMS) + draw.gumbel(size=(USERS, ITEMS))
    rest = 0.3 if by_facts + by_profile else 1.0
    for told, weight in ((facts, by_facts), (profile, by_profile), (untold, rest)):
        liking = liking + weight * draw.normal(size=(USERS, TASTES)) @ told.T
    splits = {"train": [], "validation": [], "test": []}
    for user in range(USERS):
        liked = draw.permutation(np.argsort(-liking[user])[: TRAIN + 8])
        for name, items in zip(splits, np.split(liked, [TRAIN, TRAIN + 4]), strict=True):
            splits[name] += [(user, item) for item in items]
    positives = {name: Positives.from_pairs(*zip(*rows, strict=True), USERS) for name, rows in splits.items()}
    # Each encoder turns and blurs what a text says; a profile is written from the facts, so it holds them too.
    spread = draw.normal(size=(2 * TASTES, WIDTH))
    blur = [0.15 * draw.normal(size=(ITEMS, WIDTH)) for _ in range(2)]
    written = np.concatenate([facts, profile], 1) @ spread + blur[0]
    known = np.concatenate([facts, np.zeros_like(profile)], 1) @ spread + blur[1]
    texts = {"item_text": written.astype(np.float32), "facts_text": known.astype(np.float32)}
    return CFData(USERS, ITEMS, **positives, **texts)


def run(config, data):
    """Return the rows of all trials and of all refits."""
    kept, metric = KeptData(), config.tune.metric

    def row_of(job):
        return training_row(job, lambda reads: kept.read_data("run", reads, data, config.seed + job.seed), config.tune)

    queue, trials = SearchedJobs(searched_methods(config, data), cpu_seconds=None, begun={}), []
    while (job := queue.next()) is not None:
        trials.append(row_of(job))
        queue.end(job, Ending.of(trials[-1], metric))
    return trials, [row_of(job) for job in refit_jobs(config, trials)]


def board_of(data, seed, *, methods=METHODS, tokens=900, **tune):
    """Return the leaderboard of a run on the data."""
    settings = {"methods": methods, "models": ["mf"], "trials": 2, "seeds": 5, **tune}
    config = Config.model_validate(
        {
            "name": "planted",
            "workspace": "/nowhere",
            "source": {"format": "movielens_100k"},
            "seed": seed,
            "cf": {"dim": 16, "epochs": 8, "lr": 0.02, "batch_size": 256, "eval_every": 2, "patience": 2},
            "tune": settings,
        }
    )
    trials, results = run(config, data)
    sizes = {"users": data.users, "items": data.items, "interactions": len(data.train)}
    known = RunMethods.of(config.tune)
    return leaderboard(trials, results, sizes, config.tune.metric, methods=known, tokens={"item_profiles": tokens})
