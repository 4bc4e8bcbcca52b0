"""Claim: training with semantic negatives converges sooner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hnlm_ray.study.differences import Difference, Tested, over_seeds
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.pairs import Pair, best_pair, split_found
from hnlm_ray.tune.method_rows import MethodRows, Row

CLAIM = "Training with semantic negatives comes to 95% of the best validation figure in fewer epochs and seconds."
REACHED: Final = 0.95
LEAST_SEEDS: Final = 2
Points = list[tuple[int, float]]


def convergence(runs: Sequence[FinishedRun]) -> Tested:
    """Test the epochs and the seconds that the best classical method takes, minus those of the best semantic one.

    Of each seed the figure to come to is 95% of the best that *both* come to: a method that ends low would otherwise
    seem quick.
    """
    pairs, lacking = split_found([_pair(run) for run in runs])
    tests = []
    for pair in pairs:
        found = _tested(pair)
        tests += found
        if not found:
            lacking.append(f"{pair.run.name}: fewer than two shared seeds have a curve of validation figures")
    return Tested("convergence", CLAIM, tests, lacking=lacking)


def _pair(run: FinishedRun) -> Pair | str:
    by_epochs = frozenset(name for name, rows in run.methods.items() if _has_curves(rows))
    return best_pair(run, semantic=by_epochs, classical=by_epochs)


def _has_curves(rows: MethodRows) -> bool:
    return any(len(points(row)) > 1 for row in rows.refits)


def _tested(pair: Pair) -> list[Difference]:
    both = [own for own in pair.refits if points(own[0]) and points(own[1])]
    if len(both) < LEAST_SEEDS:
        return []
    epochs = [reached_at(points(ours), points(base)) for ours, base in both]
    seconds = [
        (_seconds(ours, first), _seconds(base, second))
        for (ours, base), (first, second) in zip(both, epochs, strict=True)
    ]
    return [
        over_seeds(f"{pair.about}, {unit} that are saved", unit, [b for _, b in spent], [a for a, _ in spent])
        for unit, spent in (("epochs", epochs), ("seconds", seconds))
    ]


def points(row: Row) -> Points:
    """Return the epochs of a refit at which validation was measured, with the compared metric."""
    return [(int(p["epoch"]), float(p["validation"])) for p in row["curve"] or () if p["validation"] is not None]


def reached_at(a: Points, b: Points) -> tuple[int, int]:
    """Return the first epoch of each curve at 95% of the lower of the two curves' best figures."""
    target = REACHED * min(max(value for _, value in curve) for curve in (a, b))
    first, second = (next(epoch for epoch, value in curve if value >= target) for curve in (a, b))
    return first, second


def _seconds(row: Row, epoch: int) -> float:
    """Return the wall seconds up to an epoch, all epochs taken to be equally long."""
    return float(row["seconds"]) * epoch / max(1, int(row["epochs"]))
