"""Claim: semantic negatives beat the classical ones."""

from __future__ import annotations

from collections.abc import Sequence

from hnlm_ray.study.differences import Difference, Tested, over_users
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.pairs import Pair, best_pair, pair_of, split_found
from hnlm_ray.tune.method_rows import per_user_values

CLAIM = "Semantic negatives beat the best classical method, and by their meaning: every control of theirs as well."


def semantic(runs: Sequence[FinishedRun]) -> Tested:
    """Test the best semantic method of each run against the best classical one and against its own controls."""
    pairs, lacking = split_found([best_pair(run) for run in runs])
    controls, missing = split_found([found for pair in pairs for found in _controls(pair)])
    tests = [one for pair in (*pairs, *controls) for one in _tested(pair)]
    unproven = "a refit of a control of each semantic method" if missing else None
    return Tested("semantic", CLAIM, tests, lacking=[*lacking, *missing], unproven=unproven)


def _controls(pair: Pair) -> list[Pair | str]:
    run = pair.run
    entry = next(entry for entry in run.entries if entry["name"] == pair.semantic)
    there = [name for name in entry["controls"] if name in run.methods]
    if not there:
        return [f"{run.name}: no control of {pair.semantic} was run, so a gain could not be credited to its meaning"]
    return [pair_of(run, pair.semantic, name) for name in there]


def _tested(pair: Pair) -> list[Difference]:
    values = per_user_values(pair.refits)
    return [] if values is None else [over_users(pair.about, pair.run.metric, *values)]
