"""Full ranking of all test users, with and without the metrics."""

from __future__ import annotations

from typing import Final

from cf_bench.bench import Bench
from cf_bench.datasets import Dataset
from cf_bench.shown import SECONDS, Targets, add_all
from cf_bench.sides import open_own, open_peers
from cf_bench.workers import Worker

USERS_AT_ONCE: Final = (16, 64, 256, 1024)
"""RecBole's evaluation is tried with blocks of so many users; its fastest is taken."""
IMPLICIT_USERS: Final = 1000
"""Users of one call of implicit's ``recommend``, as in its own evaluation."""


def evaluation(bench: Bench, dataset: Dataset, targets: Targets) -> None:
    """Rank for all test users and measure at 20: a LightGCN against RecBole, given factors against implicit."""
    own = open_own(bench.own(), dataset, "lightgcn")
    own.ask("evaluate")
    peers = open_peers(bench, dataset, "lightgcn", ("RecBole",))
    if "RecBole" in peers:
        _against_recbole(bench, dataset, own, peers["RecBole"], targets)
    for worker in open_peers(bench, dataset, "mf", ("implicit",)).values():
        _against_implicit(bench, dataset, own, worker, targets)


def _against_recbole(bench: Bench, dataset: Dataset, own: Worker, peer: Worker, targets: Targets) -> None:
    tried = {users: peer.ask("evaluate", users_at_once=users)["cpu_s"] for users in USERS_AT_ONCE}
    best = min(tried, key=tried.__getitem__)
    runs = bench.race(
        {"ours": lambda: own.ask("evaluate"), "RecBole": lambda: peer.ask("evaluate", users_at_once=best)}
    )
    work = f"full-ranking evaluation, {dataset.name} (RecBole's best block: {best} users)"
    add_all(bench, runs, work, SECONDS, targets)


def _against_implicit(bench: Bench, dataset: Dataset, own: Worker, peer: Worker, targets: Targets) -> None:
    runs = bench.race({"ours": lambda: own.ask("evaluate_factors"), "implicit": lambda: peer.ask("evaluate")})
    add_all(bench, runs, f"full-ranking evaluation of given factors, {dataset.name}", SECONDS, targets)
    runs = bench.race(
        {"ours": lambda: own.ask("rank"), "implicit": lambda: peer.ask("rank", users_at_once=IMPLICIT_USERS)}
    )
    add_all(bench, runs, f"the best 20 by given factors, unmeasured, {dataset.name}", SECONDS, {})
