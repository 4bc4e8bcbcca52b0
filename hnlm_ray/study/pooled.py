"""Methods pooled over data sets: each data set brings searches of its own, so what is found may speak of methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.compare.method_rows import per_user_values, shared_refits
from hnlm_ray.compare.significance import around, holm, p_of_means, spreads
from hnlm_ray.study.claims.answer import PooledComparison, PooledRuns
from hnlm_ray.study.finished import FinishedRun

LEAST_DATASETS: Final = 4
BEST_SEMANTIC: Final = "the best semantic method"
"""Of each data set, by validation: it may be another one on each."""


@dataclass(frozen=True)
class Ratio:
    """A method's test figure over that of the best classical method of a data set, both means over shared refits."""

    dataset: str
    method: str
    against: str
    value: float


def pooled(runs: Sequence[FinishedRun]) -> PooledRuns:
    """Compare methods with the best classical method of each data set, by validation, over the data sets.

    Data sets are the sample: of each there is one figure, the logarithm of the ratio of test means, and the interval is
    that of the t test over them. The best semantic method by validation is compared, and every method but controls
    that has figures on all data sets; where a method is itself the best classical one, the ratio is 1. p is corrected
    (Holm) over these comparisons.

    Parameters
    ----------
    runs
        One a data set.
    """
    ratios = {name: _ratios(runs, name) for name in _compared(runs)}
    told = {name: own for name, own in ratios.items() if any(one.method != one.against for one in own)}
    left_out = [name for name, own in told.items() if len(own) < len(runs)]
    reason = _lacking(runs, len(told) - len(left_out))
    found = {} if reason else {name: own for name, own in told.items() if name not in left_out}
    p_values = [p_of_means(_logs(own)) for own in found.values()]
    corrected = zip(found.items(), p_values, holm(p_values), strict=True)
    return {
        "datasets": [run.dataset for run in runs],
        "comparisons": [_comparison(name, own, p, p_holm) for (name, own), p, p_holm in corrected],
        "left_out": left_out,
        "reason": reason,
    }


def _lacking(runs: Sequence[FinishedRun], methods: int) -> str | None:
    if len(runs) < LEAST_DATASETS:
        return f"it takes {LEAST_DATASETS} data sets, and {len(runs)} {'is' if len(runs) == 1 else 'are'} finished"
    if len({run.seed for run in runs}) < len(runs):
        return "data sets of one seed have tried the same configurations: leave `seed` out of `datasets`, or vary it"
    return None if methods else "no method but the best classical ones has figures above 0 on all data sets"


def _compared(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the choice among semantic methods, and all but controls, by name."""
    return [BEST_SEMANTIC, *sorted({e["name"] for run in runs for e in run.entries if e["family"] != "control"})]


def _ratios(runs: Sequence[FinishedRun], name: str) -> list[Ratio]:
    return [one for one in (_ratio(run, name) for run in runs) if one is not None]


def _ratio(run: FinishedRun, name: str) -> Ratio | None:
    """Return a data set's figure; none where one of the two methods has none, or it is not above 0."""
    method, against = run.best("semantic") if name == BEST_SEMANTIC else name, run.board["best_classical"]
    if method is None or method not in run.methods or against is None:
        return None
    values = per_user_values(shared_refits(run.methods[method], run.methods[against]))
    if values is None or min(own.mean() for own in values) <= 0:
        return None
    return Ratio(run.dataset, method, against, float(values[0].mean() / values[1].mean()))


def _logs(ratios: Sequence[Ratio]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log([one.value for one in ratios])
    return logs


def _comparison(name: str, ratios: Sequence[Ratio], p: float, p_holm: float) -> PooledComparison:
    logs = _logs(ratios)
    mean = float(logs.mean())
    return {
        "method": name,
        "relative": math.expm1(mean),
        "ci95": [math.expm1(bound) for bound in around(mean, spreads(logs[:, None]))],
        "p": p,
        "p_holm": p_holm,
        "datasets": [
            {"dataset": one.dataset, "method": one.method, "against": one.against, "relative": one.value - 1}
            for one in ratios
        ],
    }
