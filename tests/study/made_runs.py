"""Finished runs of a study, made up: per-user figures of methods whose means are given."""

import numpy as np

from hnlm_ray.study.finished import FinishedRun, twins_of
from hnlm_ray.tune.leaderboard import leaderboard
from hnlm_ray.tune.method_rows import group_rows
from hnlm_ray.tune.methods import RunMethods
from hnlm_ray.tune.user_groups import Groups

USERS, SEEDS = 300, (1, 2, 3)
GROUPS = Groups(np.zeros(USERS, np.int64), np.repeat(np.arange(USERS), 2), np.tile([1, 3], USERS))
"""Two test rows a user: of a rare and of a popular item."""


def rows_of(method, mean, *, seed, rare=0.2, popularity=50.0, false=0.1, speed=1.0, spread=0.02):
    draw = np.random.default_rng([seed, *method.encode()])
    found = draw.random(2 * USERS) < np.tile([rare, 0.5], USERS)
    curve = [
        {
            "epoch": epoch,
            "loss": 1.0,
            "validation": mean * min(1, 0.1 * (speed + seed / 10) * epoch),
            "cpu_seconds": epoch,
        }
        for epoch in range(1, 21)
    ]
    return {
        "method": method, "seed": seed, "status": "ok", "error": None, "validation": [("ndcg@20", mean)],
        "test": [("ndcg@20", mean)], "per_user": mean + spread * draw.standard_normal(USERS), "found": found,
        "catalogue": [("popularity@20", popularity + draw.random())],
        "slices": [("items_rare", rare), ("items_popular", 0.5)],
        "false_negative_share": false + draw.random() / 1e3,
        "curve": curve, "seconds": 20.0, "epochs": 20, "trial": seed, "cpu_seconds": 1.0,
    }  # fmt: skip


def made_run(dataset="a", variant="main", share=1.0, vectors=(), **methods):
    """Return a run of methods, each with its mean or a dict of what :func:`rows_of` takes; mf_dns stands for mf-dns."""
    rows = [
        rows_of(name.replace("_", "-", 1), **({"mean": given} if isinstance(given, float) else given), seed=seed)
        for name, given in methods.items()
        for seed in SEEDS
    ]
    board = leaderboard(rows, rows, {"users": USERS, "items": 9, "interactions": 99}, groups=GROUPS)
    found = {own.name: own for own in group_rows(rows, rows)}
    return FinishedRun(
        dataset,
        variant,
        board,
        found,
        frozenset(vectors),
        twins_of(found, RunMethods({})),
        500_000,
        GROUPS,
        share,
        {"share_at_random": 0.02},
        "ab",
    )
