"""The ranked comparison that ``hnlm results --json`` prints, from the rows of two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnlm_ray.tune.method_rows import Figures, MethodRows, Row, group_rows, paired_values
from hnlm_ray.tune.methods import controls_of, family
from hnlm_ray.tune.significance import Comparison, compare, holm
from hnlm_ray.tune.verdict import verdict

Entry = dict[str, Any]


def leaderboard(
    trials: Sequence[Row], results: Sequence[Row], dataset: Mapping[str, int], metric: str = "ndcg@20"
) -> dict[str, Any]:
    """Compare the methods: means, paired differences to the best classical one, a verdict in words.

    Parameters
    ----------
    trials, results
        Rows of the tables of these names. ``results.per_user`` holds ``metric`` for each test user,
        in the same order in every row.
    dataset
        ``{"users", "items", "interactions"}``.
    metric
        The compared metric. The best classical method has the best *validation* mean of it; the
        methods are sorted by their test mean.

    Returns
    -------
    dict
        JSON without NaN: a figure that doesn't exist is null. A method whose trials all failed is
        listed with its error counts.
    """
    groups = group_rows(trials, results)
    metrics = sorted({metric, *(name for group in groups for name in (*group.test, *group.validation))})
    entries = [_entry(group, metric, metrics) for group in groups]
    by_name = {group.name: group for group in groups}
    best = best_by_validation(entries, "classical", metric)
    _add_versus_best(entries, by_name, best)
    for entry in entries:
        if entry["family"] == "semantic":
            entry["versus_controls"] = _versus_controls(entry["name"], by_name)
    entries.sort(key=lambda entry: (entry["test"][metric] is None, -(entry["test"][metric] or 0), entry["name"]))
    board: dict[str, Any] = {"dataset": dict(dataset), "metric": metric, "best_classical": best, "methods": entries}
    semantic = best_by_validation(entries, "semantic", metric)
    return {**board, "verdict": verdict(entries, metric, best, semantic)}


def best_by_validation(entries: Sequence[Entry], of_family: str, metric: str) -> str | None:
    """Return the name of the family's method with the best validation mean, among those with test figures."""
    finished = [
        entry
        for entry in entries
        if entry["family"] == of_family and None not in {entry["test"][metric], entry["validation"][metric]}
    ]
    best = max(finished, key=lambda entry: float(entry["validation"][metric]), default=None)
    return None if best is None else str(best["name"])


def _entry(group: MethodRows, metric: str, metrics: Sequence[str]) -> Entry:
    validation = group.validation
    if metric not in validation:
        validation = group.best_trial(metric)
    return {
        "name": group.name,
        "family": family(group.name),
        "trials": len(group.trials),
        "seeds": len(group.refits),
        "validation": _complete(validation, metrics),
        "test": _complete(group.test, metrics),
        "test_std": _complete(group.test_std, metrics),
        "errors": group.errors,
    }


def _complete(figures: Figures, metrics: Sequence[str]) -> Figures:
    return {name: figures.get(name) for name in metrics}


def _add_versus_best(entries: Sequence[Entry], by_name: dict[str, MethodRows], best: str | None) -> None:
    others = [entry for entry in entries if entry["name"] != best]
    found = [_compare(by_name, entry["name"], best) for entry in others]
    for entry, versus in zip(others, _corrected(found), strict=True):
        entry["versus_best_classical"] = versus
    for entry in entries:
        if entry["name"] == best:
            entry["versus_best_classical"] = {"difference": 0.0, "ci95": [0.0, 0.0], "p_holm": 1.0}


def _versus_controls(semantic: str, by_name: dict[str, MethodRows]) -> list[Entry]:
    """Return the comparisons with the method's own controls of the same model, corrected among themselves."""
    names = sorted(name for name in controls_of(semantic) if name in by_name)
    found = [_compare(by_name, semantic, name) for name in names]
    return [{"name": name, **versus} for name, versus in zip(names, _corrected(found), strict=True)]


def _compare(by_name: dict[str, MethodRows], name: str, other: str | None) -> Comparison | None:
    values = None if other is None else paired_values(by_name[name], by_name[other])
    return None if values is None else compare(*values)


def _corrected(comparisons: Sequence[Comparison | None]) -> list[Entry]:
    adjusted = iter(holm([found.p for found in comparisons if found is not None]))
    return [
        {"difference": None, "ci95": [None, None], "p_holm": None}
        if found is None
        else {"difference": found.difference, "ci95": list(found.ci95), "p_holm": next(adjusted)}
        for found in comparisons
    ]
