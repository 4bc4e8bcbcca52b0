"""Methods over the data sets of a study: average ranks, for the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Sequence

from hnlm_ray.compare.ranks import Ranking, rank_methods
from hnlm_ray.study.finished import FinishedRun

LEAST = 2


def rank_runs(runs: Sequence[FinishedRun]) -> tuple[Ranking | None, list[str], str | None]:
    """Rank the methods, controls apart, by their mean test figures.

    Parameters
    ----------
    runs
        One a data set.

    Returns
    -------
    tuple
        The ranking, the methods that lack a figure on some data set and are left out, and why there is no ranking.
    """
    figures = [_figures(run) for run in runs]
    named = sorted({name for own in figures for name in own})
    ranked = [name for name in named if all(name in own for own in figures)]
    left_out = [name for name in named if name not in ranked]
    if len(runs) < LEAST:
        return None, left_out, f"ranks are over data sets, and {len(runs)} is finished: add another to `datasets`"
    if len(ranked) < LEAST:
        return None, left_out, f"{len(ranked)} methods have figures on all data sets, and ranks need two"
    return rank_methods(ranked, [[own[name] for name in ranked] for own in figures]), left_out, None


def _figures(run: FinishedRun) -> dict[str, float]:
    return {
        entry["name"]: entry["test"][run.metric]
        for entry in run.entries
        if entry["family"] != "control" and entry["test"][run.metric] is not None
    }
