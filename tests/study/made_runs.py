"""Finished runs of a study, made up: per-user figures of methods whose means are given."""

import zlib

import numpy as np

from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.compare.method_rows import group_rows
from hnlm_ray.compare.user_groups import Groups
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.study.finished import FinishedRun, twins_of

USERS, SEEDS = 300, (1, 2, 3)
GROUPS = Groups(np.zeros(USERS, np.int64), np.repeat(np.arange(USERS), 2), np.tile([1, 3], USERS))
"""Two test rows a user: of a rare and of a popular item."""


def rows_of(method, mean, *, seed, search=0, rare=0.2, popularity=50.0, false=0.1, speed=1.0, spread=0.02, lr=0.01):
    draw = np.random.default_rng([seed, *method.encode()])
    found = draw.random(2 * USERS) < np.tile([rare, 0.5], USERS)
    curve = [
        {
            "epoch": epoch,
            "loss": 1.0,
            "validation": mean * min(1, 0.1 * (speed + seed % 100 / 10) * epoch),
            "cpu_seconds": epoch,
        }
        for epoch in range(1, 21)
    ]
    return {
        "method": method, "search": search, "seed": seed, "status": "ok", "error": None,
        "validation": [("ndcg@20", mean)], "test": [("ndcg@20", mean)], "config": f'{{"lr": {lr}}}',
        "per_user": mean + spread * draw.standard_normal(USERS), "found": found,
        "catalogue": [("popularity@20", popularity + draw.random())],
        "slices": [("items_rare", rare), ("items_popular", 0.5)],
        "false_negative_share": false + draw.random() / 1e3,
        "curve": curve, "seconds": 20.0, "epochs": 20, "cpu_seconds": 1.0,
    }  # fmt: skip


def made_run(dataset="a", variant="main", *, share=1.0, vectors=(), searches=1, trials=3, luck=0.0, **methods):
    """Return a run of methods, each with its mean or a dict of what :func:`rows_of` takes; mf_dns stands for mf-dns.

    trials: of each search; luck: how much what a search finds varies, as a share of the mean.
    """
    rows, draw = [], np.random.default_rng(zlib.crc32(dataset.encode()))
    for name, given in methods.items():
        own = {"mean": given} if isinstance(given, float) else dict(given)
        for search in range(searches):
            lucky = {**own, "mean": own["mean"] * (1 + luck * draw.standard_normal())}
            seeds = [100 * search + seed for seed in SEEDS]
            rows += [rows_of(name.replace("_", "-", 1), seed=seed, search=search, **lucky) for seed in seeds]
    searched = [{**row, "trial": trial} for row in rows if row["seed"] % 100 == SEEDS[0] for trial in range(trials)]
    board = leaderboard(searched, rows, {"users": USERS, "items": 9, "interactions": 99}, groups=GROUPS)
    found = {own.name: own for own in group_rows(searched, rows)}
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
        zlib.crc32(dataset.encode()),
    )


def made_point(method, controls=None, saved=0.03):
    """A row of the table ``frontier``: a method's own settings, or those of the method that it is a control of."""
    told = {
        "setting": "M 8",
        "hardness": 0.3,
        "false_negative_share": 0.1,
        "reference_share": 0.1 + saved,
        "users": 300,
    }
    tested = {"saved": saved, "saved_error": 0.004, "saved_p": 1e-9, "gain": None, "gain_error": None, "gain_p": None}
    gain = {"gain": 0.02, "gain_error": 0.004, "gain_p": 1e-6} if controls else {}
    named = {"method": method, "role": "control" if controls else "own", "controls": controls}
    return {**named, "users": 300, "reason": None, **told, **tested, **gain}
