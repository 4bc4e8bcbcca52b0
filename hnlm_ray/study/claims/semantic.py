"""Claim: semantic negatives beat the classical ones."""

from __future__ import annotations

from collections.abc import Sequence

from hnlm_ray.compare.method_rows import per_user_values
from hnlm_ray.study.claims.differences import Difference, Tested, over_users
from hnlm_ray.study.claims.pairs import Pair, best_pair, pair_of, split_found
from hnlm_ray.study.finished import FinishedRun

CLAIM = "Semantic negatives beat the best classical method, and by their meaning: every control of theirs as well."


def semantic(runs: Sequence[FinishedRun]) -> Tested:
    """Test the best semantic method of each run against the best classical one and against its own controls.

    A control that it has and that was not run leaves the claim unproven, as it leaves a gain uncredited
    (:mod:`hnlm_ray.compare.findings`).
    """
    pairs, lacking = split_found([best_pair(run) for run in runs])
    controls, missing = split_found([found for pair in pairs for found in _controls(pair)])
    tests = [one for pair in (*pairs, *controls) for one in _tested(pair)]
    unproven = "a refit of every control of each semantic method" if missing else None
    return Tested("semantic", CLAIM, tests, lacking=[*lacking, *missing], unproven=unproven)


def _controls(pair: Pair) -> list[Pair | str]:
    run = pair.run
    entry = next(entry for entry in run.entries if entry["name"] == pair.semantic)
    if not entry["controls"]:
        return [f"{run.name}: {pair.semantic} has no control, so a gain could not be credited to its meaning"]
    return [_control(pair, name) for name in entry["controls"]]


def _control(pair: Pair, name: str) -> Pair | str:
    if name not in pair.run.methods:
        return f"{pair.run.name}: {name} was not run, so a gain of {pair.semantic} could not be credited to its meaning"
    return pair_of(pair.run, pair.semantic, name)


def _tested(pair: Pair) -> list[Difference]:
    values = per_user_values(pair.refits)
    return [] if values is None else [over_users(pair.about, pair.run.metric, *values, speaks_of=pair.speaks_of)]
