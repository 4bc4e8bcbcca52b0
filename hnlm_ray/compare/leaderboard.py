"""The ranked comparison that ``hnlm results --json`` prints, from the rows of two tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from hnlm_ray.compare.findings import find
from hnlm_ray.compare.method_rows import Figures, MethodRows, Row, group_rows
from hnlm_ray.compare.user_groups import Groups
from hnlm_ray.compare.verdict import headline, verdict
from hnlm_ray.compare.versus import Versus, corrected, itself, versus
from hnlm_ray.config.controls import EXTENDED
from hnlm_ray.methods.known import METHODS, Method, RunMethods, controls_of, method_of
from hnlm_ray.workspace.tables import LOST

Entry = dict[str, Any]
Compare = Callable[[str, str], Versus | None]
"""Of two methods, by their names in results."""


def leaderboard(
    trials: Sequence[Row],
    results: Sequence[Row],
    dataset: Mapping[str, int],
    metric: str = "ndcg@20",
    *,
    groups: Groups | None = None,
    search: Mapping[str, Any] | None = None,
    methods: RunMethods = METHODS,
    tokens: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Compare the methods: means, paired differences to the best classical one, a verdict in words.

    The best method with texts, chosen on validation as well, may be a control that reads the items' facts: what it
    gains is the texts'. Holm's correction goes over all methods and these; over the other controls apart.

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
    tokens
        What an LLM read and wrote for each table, by its name; none: nothing was asked.

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
    entries = [{**_named(group.name, methods, tokens or {}), **_entry(group, metric, metrics)} for group in rows]
    by_name = {group.name: group for group in rows}
    deciding = found_by(entries, by_name)

    def compare(name: str, other: str) -> Versus | None:
        return versus(by_name[name], by_name[other], deciding, groups)

    best = best_by_validation(entries, "classical", metric)
    _add_versus_best(entries, best, compare)
    for entry in entries:
        if entry["controls"]:
            entry["versus_controls"] = _versus_controls(entry, by_name, compare)
    entries.sort(key=lambda entry: (entry["test"][metric] is None, -(entry["test"][metric] or 0), entry["name"]))
    board: dict[str, Any] = {
        "dataset": dict(dataset),
        "metric": metric,
        "best_classical": best,
        "best_semantic": best_by_validation(entries, "semantic", metric),
        "budget": budget(rows, entries, search or {}),
        "failed_methods": failed_methods(rows),
        "methods": entries,
    }
    found = find(board)
    told = {"outcome": found.outcome, "credit": found.credit, "speaks_of": found.scope}
    return {**board, "finding": told, "headline": headline(found), "verdict": verdict(board)}


def best_by_validation(entries: Sequence[Entry], of_family: str, metric: str) -> str | None:
    """Return the name of the family's method with the best validation mean, among those with test figures.

    Of the semantic ones are those too that read the items' facts in the place of what an LLM wrote.
    """
    finished = [
        entry
        for entry in entries
        if (entry["family"] == of_family or (of_family == "semantic" and is_by_facts(entry)))
        and None not in {entry["test"][metric], entry["validation"][metric]}
    ]
    best = max(finished, key=lambda entry: float(entry["validation"][metric]), default=None)
    return None if best is None else str(best["name"])


def is_by_facts(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry is the control that reads the items' facts: a method with texts, without an LLM."""
    return entry["family"] == "control" and entry.get("takes") == "facts"


def found_by(entries: Sequence[Entry], by_name: Mapping[str, MethodRows]) -> dict[str, list[Row] | None]:
    """Return the trials that decided each method's configurations; none of one that no search decides.

    One that takes the settings of others depends on their trials too, whatever it searches itself.
    """
    return {entry["name"]: _found_by(entry, by_name) for entry in entries}


def _found_by(entry: Entry, by_name: Mapping[str, MethodRows]) -> list[Row] | None:
    if not entry["dimensions"] and not entry["nests"]:
        return None
    model = entry["name"].rpartition("-")[0]
    bases = [name for of in entry["nests"] if (name := f"{model}-{of}") in by_name]
    own = [entry["name"]] if entry["dimensions"] else []
    return [row for name in (*own, *bases) for row in by_name[name].trials]


def budget(methods: Sequence[MethodRows], entries: Sequence[Entry], search: Mapping[str, Any]) -> Entry:
    """Return what the methods had: the fewest and most trials, dimensions and CPU seconds of one, and the search."""
    tried = [method for method in methods if method.trials]
    names = {method.name for method in tried}
    return {
        **search,
        "trials": _ends([len(method.trials) for method in tried]),
        "dimensions": _ends([entry["dimensions"] for entry in entries if entry["name"] in names]),
        "cpu_seconds": _ends([method.cpu_seconds for method in tried]),
    }


def _ends(values: Sequence[float]) -> list[float | None]:
    return [min(values), max(values)] if values else [None, None]


def failed_methods(methods: Sequence[MethodRows]) -> list[Entry]:
    """Return the methods of which no trial came to a figure, with their errors."""
    return [
        {"name": method.name, "trials": {**method.errors["trials"], **_lost_trials(method)}, "errors": method.reasons}
        for method in methods
        if not method.found_a_setting
    ]


def _lost_trials(method: MethodRows) -> dict[str, int]:
    return {LOST: method.lost["trials"]} if "trials" in method.lost else {}


def _named(name: str, methods: RunMethods, tokens: Mapping[str, int]) -> Entry:
    """Return what a result is: ``controls`` names its own ones, also those that have no rows."""
    method = methods[method_of(name, methods)]
    controls = controls_of(name, methods)
    return {
        "name": name,
        "family": method.family,
        "control_of": method.control_of,
        "takes": method.takes,
        "controls": controls,
        "control_takes": {control: _takes(methods[method_of(control, methods)]) for control in controls},
        "dimensions": len(method.space_on(name.rpartition("-")[0])),
        "nests": list(method.nests or ()),
        "llm_tokens": sum(tokens.get(table, 0) for table in method.llm_tables),
    }


def _takes(control: Method) -> str | None:
    """Return what a control takes away; of another method, which is extended, that it is that."""
    return control.takes if control.family == "control" else EXTENDED


def _entry(group: MethodRows, metric: str, metrics: Sequence[str]) -> Entry:
    validation = group.validation
    if metric not in validation:
        validation = group.best_trial(metric)
    return {
        "searches": len(group.searches),
        "trials": len(group.trials),
        "pruned": group.pruned,
        "cpu_seconds": group.cpu_seconds,
        "seeds": len(group.refits),
        "validation": _complete(validation, metrics),
        "test": _complete(group.test, metrics),
        "test_std": _complete(group.test_std, metrics),
        "errors": group.errors,
        "lost": dict(group.lost),
        "reasons": group.reasons,
    }


def _complete(figures: Figures, metrics: Sequence[str]) -> Figures:
    return {name: figures.get(name) for name in metrics}


def _add_versus_best(entries: Sequence[Entry], best: str | None, compare: Compare) -> None:
    others = [entry for entry in entries if entry["name"] != best]
    apart = [entry["family"] == "control" and not is_by_facts(entry) for entry in others]
    for which in (False, True):
        family = [entry for entry, is_apart in zip(others, apart, strict=True) if is_apart == which]
        found = [None if best is None else compare(entry["name"], best) for entry in family]
        for entry, facts in zip(family, corrected(found), strict=True):
            entry["versus_best_classical"] = facts
    for entry in entries:
        if entry["name"] == best:
            entry["versus_best_classical"] = itself()


def _versus_controls(entry: Entry, there: Collection[str], compare: Compare) -> list[Entry]:
    """Return the comparisons with the method's own controls of the same model, corrected among themselves."""
    names = sorted(name for name in entry["controls"] if name in there)
    found = [compare(entry["name"], name) for name in names]
    takes = entry["control_takes"]
    return [{"name": name, "takes": takes[name], **facts} for name, facts in zip(names, corrected(found), strict=True)]
