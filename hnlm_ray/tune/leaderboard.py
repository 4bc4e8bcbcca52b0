"""The ranked comparison that ``hnlm results --json`` prints, from the rows of two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnlm_ray.config import MethodName
from hnlm_ray.tune.method_rows import Figures, MethodRows, Row, group_rows
from hnlm_ray.tune.methods import METHODS, Method, controls_of, family, method_of
from hnlm_ray.tune.user_groups import Groups
from hnlm_ray.tune.verdict import verdict
from hnlm_ray.tune.versus import corrected, itself, versus

Entry = dict[str, Any]


def leaderboard(
    trials: Sequence[Row],
    results: Sequence[Row],
    dataset: Mapping[str, int],
    metric: str = "ndcg@20",
    *,
    groups: Groups | None = None,
    search: Mapping[str, Any] | None = None,
    methods: Mapping[MethodName, Method] = METHODS,
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
    groups
        Of the test users and rows, for the figures by group; none: without these.
    search
        How the trials were searched for, told beside what they spent.
    methods
        What the names stand for; by default the shipped ones.

    Returns
    -------
    dict
        JSON without NaN: a figure that doesn't exist is null. A method whose trials all failed is
        listed with its error counts, and named in ``failed_methods`` with its errors.

    Raises
    ------
    InputError
        A method is unknown, or the rows are of different test users.
    """
    rows = group_rows(trials, results)
    metrics = sorted({metric, *(name for group in rows for name in (*group.test, *group.validation))})
    entries = [{**_named(group.name, methods), **_entry(group, metric, metrics)} for group in rows]
    by_name = {group.name: group for group in rows}
    best = best_by_validation(entries, "classical", metric)
    _add_versus_best(entries, by_name, best, groups)
    for entry in entries:
        if entry["controls"]:
            entry["versus_controls"] = _versus_controls(entry, by_name, groups)
    entries.sort(key=lambda entry: (entry["test"][metric] is None, -(entry["test"][metric] or 0), entry["name"]))
    board: dict[str, Any] = {
        "dataset": dict(dataset),
        "metric": metric,
        "best_classical": best,
        "budget": budget(rows, search or {}),
        "failed_methods": failed_methods(rows),
        "methods": entries,
    }
    return {**board, "verdict": verdict(board, best_by_validation(entries, "semantic", metric))}


def best_by_validation(entries: Sequence[Entry], of_family: str, metric: str) -> str | None:
    """Return the name of the family's method with the best validation mean, among those with test figures."""
    finished = [
        entry
        for entry in entries
        if entry["family"] == of_family and None not in {entry["test"][metric], entry["validation"][metric]}
    ]
    best = max(finished, key=lambda entry: float(entry["validation"][metric]), default=None)
    return None if best is None else str(best["name"])


def budget(methods: Sequence[MethodRows], search: Mapping[str, Any]) -> Entry:
    """Return what the methods had: the fewest and most trials and CPU seconds of one, and how was searched."""
    tried = [method for method in methods if method.trials]
    return {
        **search,
        "trials": _ends([len(method.trials) for method in tried]),
        "cpu_seconds": _ends([method.cpu_seconds for method in tried]),
    }


def _ends(values: Sequence[float]) -> list[float | None]:
    return [min(values), max(values)] if values else [None, None]


def failed_methods(methods: Sequence[MethodRows]) -> list[Entry]:
    """Return the methods of which no trial came to a figure, with their errors."""
    return [
        {"name": method.name, "trials": method.errors["trials"], "errors": method.reasons}
        for method in methods
        if not method.found_a_setting
    ]


def _named(name: str, methods: Mapping[MethodName, Method]) -> Entry:
    """Return what a result is: ``controls`` names its own ones, also those that have no rows."""
    return {
        "name": name,
        "family": family(name, methods),
        "control_of": methods[method_of(name, methods)].controls,
        "controls": controls_of(name, methods),
    }


def _entry(group: MethodRows, metric: str, metrics: Sequence[str]) -> Entry:
    validation = group.validation
    if metric not in validation:
        validation = group.best_trial(metric)
    return {
        "trials": len(group.trials),
        "pruned": group.pruned,
        "cpu_seconds": group.cpu_seconds,
        "seeds": len(group.refits),
        "validation": _complete(validation, metrics),
        "test": _complete(group.test, metrics),
        "test_std": _complete(group.test_std, metrics),
        "errors": group.errors,
        "reasons": group.reasons,
    }


def _complete(figures: Figures, metrics: Sequence[str]) -> Figures:
    return {name: figures.get(name) for name in metrics}


def _add_versus_best(
    entries: Sequence[Entry], by_name: dict[str, MethodRows], best: str | None, groups: Groups | None
) -> None:
    others = [entry for entry in entries if entry["name"] != best]
    found = [None if best is None else versus(by_name[entry["name"]], by_name[best], groups) for entry in others]
    for entry, facts in zip(others, corrected(found), strict=True):
        entry["versus_best_classical"] = facts
    for entry in entries:
        if entry["name"] == best:
            entry["versus_best_classical"] = itself()


def _versus_controls(entry: Entry, by_name: dict[str, MethodRows], groups: Groups | None) -> list[Entry]:
    """Return the comparisons with the method's own controls of the same model, corrected among themselves."""
    names = sorted(name for name in entry["controls"] if name in by_name)
    found = [versus(by_name[entry["name"]], by_name[name], groups) for name in names]
    return [{"name": name, **facts} for name, facts in zip(names, corrected(found), strict=True)]
