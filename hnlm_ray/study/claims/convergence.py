"""Claim: training with semantic negatives converges sooner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from hnlm_ray.compare.method_rows import MethodRows, Refits, Row, Scope, searches_of, shared_refits, unit_of
from hnlm_ray.study.claims.differences import Difference, Tested, over_refits
from hnlm_ray.study.claims.pairs import Pair, best_pair, split_found
from hnlm_ray.study.finished import FinishedRun

CLAIM = (
    "Training with semantic negatives comes to 95% of the best validation figure in fewer epochs and seconds, at "
    "about the same learning rate."
)
REACHED: Final = 0.95
LEAST_SEEDS: Final = 2
FACTOR: Final = 1.5
"""How far two learning rates may be apart for the epochs of their trainings to be compared."""
Points = list[tuple[int, float]]


def convergence(runs: Sequence[FinishedRun]) -> Tested:
    """Test the epochs and the seconds that the best classical method takes, minus those of the best semantic one.

    Best of the semantic methods is the best by validation of those trained at about the learning rate of the
    classical one: a higher rate alone comes there sooner, and each method's search chooses its own. Of each seed the
    figure to come to is 95% of the best that *both* come to: a method that ends low would otherwise seem quick.
    """
    found = [_pair(run) for run in runs]
    pairs, lacking = split_found(found)
    tests = [one for pair in pairs for one in _tested(pair)]
    return Tested("convergence", CLAIM, tests, [_figures(pair) for pair in pairs], lacking)


def _pair(run: FinishedRun) -> Pair | str:
    """Return the pair with those refits alone whose learning rates are alike."""
    by_epochs = frozenset(name for name, rows in run.methods.items() if _has_curves(rows))
    whole = best_pair(run, semantic=by_epochs, classical=by_epochs)
    if not isinstance(whole, Pair):
        return whole
    base = run.methods[whole.classical]
    alike = frozenset(name for name in by_epochs if len(_alike(run.methods[name], base)) >= LEAST_SEEDS)
    found = best_pair(run, semantic=alike, classical=frozenset([whole.classical]))
    if isinstance(found, Pair):
        return Pair(run, found.semantic, found.classical, _alike(run.methods[found.semantic], base))
    return _why_none(whole)


def _has_curves(rows: MethodRows) -> bool:
    return any(len(points(row)) > 1 for row in rows.refits)


def _alike(ours: MethodRows, base: MethodRows) -> Refits:
    """Return the shared refits that have a curve, and learning rates within :data:`FACTOR` of each other."""
    both = [own for own in shared_refits(ours, base) if points(own[0]) and points(own[1])]
    return [own for own in both if max(map(rate, own)) <= FACTOR * min(map(rate, own))]


def _why_none(pair: Pair) -> str:
    ours, base = (", ".join(_rates([own[place] for own in pair.refits])) for place in (0, 1))
    return (
        f"{pair.run.name}: {pair.semantic} was trained at learning rate {ours}, {pair.classical} at {base}, and no "
        f"semantic method shares with it {LEAST_SEEDS} refits that have a curve, at rates within a factor of {FACTOR}: "
        "a higher rate alone converges sooner, so which negatives do can't be told"
    )


def rate(row: Row) -> float:
    """Return the learning rate of a refit."""
    return float(json.loads(row["config"])["lr"])


def _rates(rows: Sequence[Row]) -> list[str]:
    return [f"{value:.3g}" for value in sorted({rate(row) for row in rows})]


def _tested(pair: Pair) -> list[Difference]:
    epochs = [reached_at(points(ours), points(base)) for ours, base in pair.refits]
    seconds = [
        (_seconds(ours, first), _seconds(base, second))
        for (ours, base), (first, second) in zip(pair.refits, epochs, strict=True)
    ]
    return [
        over_refits(
            f"{pair.about}, {unit} that are saved",
            unit,
            pair.refits,
            [b for _, b in spent],
            [a for a, _ in spent],
            speaks_of=_scope(pair),
        )
        for unit, spent in (("epochs", epochs), ("seconds", seconds))
    ]


def _scope(pair: Pair) -> Scope:
    """Return what the pair speaks of by the refits that are left of it."""
    return pair.speaks_of if unit_of(searches_of(pair.refits)) == "searches" else "configurations"


def _figures(pair: Pair) -> dict[str, Any]:
    ours, base = (", ".join(_rates([own[place] for own in pair.refits])) for place in (0, 1))
    named = {"run": pair.run.name, "semantic": pair.semantic, "classical": pair.classical, "refits": len(pair.refits)}
    return {**named, "learning rate of the semantic": ours, "of the classical": base}


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
