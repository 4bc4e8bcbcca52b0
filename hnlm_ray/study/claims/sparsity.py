"""Claim: the sparser the training data, the more semantic negatives gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.compare.method_rows import Scope, per_user_values, unit_means, unit_of
from hnlm_ray.study.claims.differences import Difference, Tested, over_users
from hnlm_ray.study.claims.pairs import Pair, best_pair, split_found
from hnlm_ray.study.finished import FinishedRun

CLAIM = "The fewer training rows there are, the more semantic negatives gain over the best classical method."
NEEDED = "give variants other values of prepare.split.train_share, such as 0.2 and 1.0"
Values = dict[tuple[int, int], NDArray[np.float64]]
"""Per-user figures by search and seed."""


def sparsity(runs: Sequence[FinishedRun]) -> Tested:
    """Test of each data set whether the gain with the fewest training rows is above that with the most."""
    pairs, lacking = split_found([best_pair(run) for run in runs])
    tests, figures = list[Difference](), list[Mapping[str, Any]]()
    for dataset, own in groupby(sorted(pairs, key=_place), key=lambda pair: pair.run.dataset):
        by_share = list({pair.run.train_share: pair for pair in reversed(list(own))}.values())
        by_share.sort(key=_place)
        figures += [_figure(pair) for pair in by_share]
        found = _tested(dataset, by_share)
        if isinstance(found, str):
            lacking.append(found)
        else:
            tests.append(found)
    return Tested("sparsity", CLAIM, tests, figures, lacking)


def _place(pair: Pair) -> tuple[str, float]:
    return pair.run.dataset, pair.run.train_share


def _tested(dataset: str, by_share: Sequence[Pair]) -> Difference | str:
    if len(by_share) < 2:
        return f"{dataset}: all runs have the same share of training rows; {NEEDED}"
    sparse, full = by_share[0], by_share[-1]
    if not _same_users(sparse.run, full.run):
        return f"{dataset}: {sparse.run.name} and {full.run.name} have other test users, so their gains are no pair"
    ours, base, more, more_base = (_values(pair, place) for pair in (sparse, full) for place in (0, 1))
    shared = sorted(ours.keys() & more.keys())
    if not shared:
        return f"{dataset}: {sparse.run.name} and {full.run.name} share no finished seed"
    searches = [search for search, _ in shared]
    gain, other = (
        unit_means([a[key] - b[key] for key in shared], searches) for a, b in ((ours, base), (more, more_base))
    )
    shares = f"{sparse.run.train_share:.0%} against {full.run.train_share:.0%} of the training rows"
    about = f"{dataset}: the gain with {shares}"
    found = over_users(about, sparse.run.metric, gain, other, speaks_of=_scope(sparse, full, searches))
    return replace(found, base=float(unit_means([base[key] for key in shared], searches).mean()))


def _scope(sparse: Pair, full: Pair, searches: Sequence[int]) -> Scope:
    told = {sparse.speaks_of, full.speaks_of} == {"methods"} and unit_of(searches) == "searches"
    return "methods" if told else "configurations"


def _values(pair: Pair, place: int) -> Values:
    return {
        (int(rows[place]["search"]), int(rows[place]["seed"])): np.asarray(rows[place]["per_user"], np.float64)
        for rows in pair.refits
    }


def _same_users(a: FinishedRun, b: FinishedRun) -> bool:
    return a.groups is not None and b.groups is not None and np.array_equal(a.groups.owner, b.groups.owner)


def _figure(pair: Pair) -> dict[str, Any]:
    values = per_user_values(pair.refits)
    ours, base = (None, None) if values is None else (float(values[0].mean()), float(values[1].mean()))
    return {
        "dataset": pair.run.dataset,
        "train_share": pair.run.train_share,
        "semantic": pair.semantic,
        "classical": pair.classical,
        f"semantic {pair.run.metric}": ours,
        f"classical {pair.run.metric}": base,
    }
