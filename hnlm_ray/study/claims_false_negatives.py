"""Claim: semantic hard negatives are less often false ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hnlm_ray.study.differences import Difference, Tested, over_seeds
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.pairs import Pair, best_pair, split_found

CLAIM = "Semantic hard negatives are held-out positives of their user less often than classical hard negatives."
HARD: Final = ("dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch")
"""The classical samplers that look for hard negatives."""
_SHARE: Final = "false_negative_share"
_COUNTED: Final = (
    "pool_false_negative_share", "share_at_random", "text_false_negative_share", "random_false_negative_share"
)  # fmt: skip
LEAST_SEEDS: Final = 2


def false_negatives(runs: Sequence[FinishedRun]) -> Tested:
    """Test the best hard classical sampler's rate minus the best semantic method's, by validation."""
    pairs, lacking = split_found([_pair(run) for run in runs])
    found = [_tested(pair) for pair in pairs]
    tests = [one for one in found if isinstance(one, Difference)]
    lacking += [one for one in found if isinstance(one, str)]
    return Tested("false_negatives", CLAIM, tests, [_figures(pair) for pair in pairs], lacking)


def _pair(run: FinishedRun) -> Pair | str:
    counted = {name for name, rows in run.methods.items() if any(row[_SHARE] is not None for row in rows.refits)}
    hard = frozenset(name for name in counted if name.rpartition("-")[2] in HARD)
    found = best_pair(run, semantic=frozenset(counted), classical=hard)
    return found if isinstance(found, Pair) else f"{found} (classical: one of {', '.join(HARD)})"


def _tested(pair: Pair) -> Difference | str:
    rows = [own for own in pair.refits if None not in {own[0][_SHARE], own[1][_SHARE]}]
    if len(rows) < LEAST_SEEDS:
        return f"{pair.run.name}: one shared seed does not tell how the rates of false negatives vary"
    ours, base = ([float(own[place][_SHARE]) for own in rows] for place in (0, 1))
    return over_seeds(f"{pair.about}, false negatives that are saved", "share of negatives", base, ours)


def _figures(pair: Pair) -> dict[str, Any]:
    rates = [[float(own[place][_SHARE]) for own in pair.refits if own[place][_SHARE] is not None] for place in (0, 1)]
    ours, base = (sum(values) / len(values) if values else None for values in rates)
    counted = {name: pair.run.counts[name] for name in _COUNTED if name in pair.run.counts}
    return {"run": pair.run.name, pair.semantic: ours, pair.classical: base, **counted}
