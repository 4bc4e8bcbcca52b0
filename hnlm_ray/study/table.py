"""A study's answer: every run's methods against its best classical one, ranks over data sets, and claims.

Methods over the data sets of a study: average ranks, for the critical-difference diagram.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hnlm_ray.compare.leaderboard import is_by_facts
from hnlm_ray.compare.ranks import Ranking, rank_methods
from hnlm_ray.compare.significance import holm
from hnlm_ray.compare.versus import Entry, Versus, unknown, versus
from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.claims.answer import Better, Figures, Ranks, RunAnswer, StudyAnswer, Unfinished
from hnlm_ray.study.claims.differences import LEVEL
from hnlm_ray.study.claims.judging import judge_claims
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.pooled import pooled
from hnlm_ray.study.worth import text_worth

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


CORRECTION: Final = (
    "p of the table: Holm over all comparisons of all runs with their best classical methods, controls apart (not "
    "those by facts); p of the pooled comparisons: Holm over these; p of the claims: Holm over all tests of all claims"
)


def study_answer(
    study: StudyConfig, finished: Sequence[FinishedRun], unfinished: Sequence[Unfinished]
) -> tuple[StudyAnswer, Ranking | None]:
    """Return the study's JSON without NaN, and the ranking for its diagram; ``unfinished`` are not in its table."""
    first = study.all_variants[0].name
    first_runs = [run for run in finished if run.variant == first]
    ranking, left_out, reason = rank_runs(first_runs)
    runs = _runs(finished)
    answer: StudyAnswer = {
        "name": study.name,
        "metric": study.metric,
        "searches": study.searches,
        "seeds": study.seeds,
        "correction": CORRECTION,
        "runs": runs,
        "unfinished": list(unfinished),
        "better": [better for run in runs for better in _better(run)],
        "pooled": {"variant": first, **pooled(first_runs)},
        "ranks": _ranks(ranking, first, left_out, reason),
        "text_worth": text_worth(finished, runs),
        "claims": judge_claims(study.claims, finished, first),
    }
    return answer, ranking


def families(finished: Sequence[FinishedRun]) -> dict[str, str]:
    """Return the family of each method, by its name in results."""
    return {entry["name"]: entry["family"] for run in finished for entry in run.entries}


def _runs(finished: Sequence[FinishedRun]) -> list[RunAnswer]:
    compared = [{entry["name"]: _versus_best(run, entry["name"]) for entry in run.entries} for run in finished]
    counted = [
        found.p
        for run, by_name in zip(finished, compared, strict=True)
        for entry in run.entries
        if _is_counted(entry) and (found := by_name[entry["name"]]) is not None
    ]
    corrected = iter(holm(counted))
    return [_run(run, by_name, corrected) for run, by_name in zip(finished, compared, strict=True)]


def _is_counted(entry: Entry) -> bool:
    """Tell whether a method's comparison is one of those that p is corrected over: controls are not, but by facts."""
    return entry["family"] != "control" or is_by_facts(entry)


def _versus_best(run: FinishedRun, name: str) -> Versus | None:
    best = run.board["best_classical"]
    return None if best in {None, name} else versus(run.methods[name], run.methods[best], run.found_by)


def _run(run: FinishedRun, found: Mapping[str, Versus | None], corrected: Iterator[float]) -> RunAnswer:
    return {
        "dataset": run.dataset,
        "variant": run.variant,
        "sizes": dict(run.board["dataset"]),
        "train_share": run.train_share,
        "content": run.content,
        "best_classical": run.board["best_classical"],
        "failed_methods": run.board["failed_methods"],
        "finding": dict(run.board["finding"]),
        "headline": run.board["headline"],
        "methods": [_method(entry, found[entry["name"]], run.metric, corrected) for entry in run.entries],
    }


def _method(entry: Entry, found: Versus | None, metric: str, corrected: Iterator[float]) -> Figures:
    named = {
        name: entry[name]
        for name in ("name", "family", "control_of", "dimensions", "searches", "trials", "seeds", "cpu_seconds")
    }
    figures = {"test": entry["test"][metric], "test_std": entry["test_std"][metric]}
    if found is None:
        return {**named, **figures, **unknown(), "p": None, "better": False}
    p_holm = next(corrected) if _is_counted(entry) else None
    facts = {**unknown(), **found.facts, "p": found.p, "p_holm": p_holm}
    better = p_holm is not None and p_holm < LEVEL and facts["difference"] > 0
    return {**named, **figures, **facts, "better": better}


def _better(run: RunAnswer) -> list[Better]:
    best = run["best_classical"]
    if best is None:
        return []
    return [
        {
            "dataset": run["dataset"],
            "variant": run["variant"],
            "method": method["name"],
            "against": best,
            "difference": method["difference"],
            "ci95": method["ci95"],
            "p_holm": method["p_holm"],
            "speaks_of": method["speaks_of"],
        }
        for method in run["methods"]
        if method["better"]
    ]


def _ranks(ranking: Ranking | None, variant: str, left_out: list[str], reason: str | None) -> Ranks:
    ranks: Ranks = {
        "methods": [],
        "datasets": 0,
        "friedman_p": None,
        "critical_difference": None,
        "alike": [],
        "variant": variant,
        "left_out": left_out,
        "reason": reason,
    }
    if ranking is None:
        return ranks
    return {
        **ranks,
        "methods": [{"name": name, "rank": rank} for name, rank in zip(ranking.methods, ranking.ranks, strict=True)],
        "datasets": ranking.datasets,
        "friedman_p": ranking.friedman_p,
        "critical_difference": ranking.critical_difference,
        "alike": [list(ranking.methods[first : last + 1]) for first, last in ranking.cliques],
    }
