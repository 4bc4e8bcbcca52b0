"""Gathers everything that the report tells, from one moment of a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from hnlm_ray.compare.verdict import budget_sentence
from hnlm_ray.config import Config
from hnlm_ray.report.facts.comparison import HISTORIES, POPULARITIES, comparison, hardness_facts, slice_facts
from hnlm_ray.report.facts.data import data_facts
from hnlm_ray.report.facts.frontier import frontier_facts
from hnlm_ray.report.facts.run import (
    configuration_text,
    is_checkable,
    recommendation_facts,
    spent,
    stage_facts,
    version_facts,
)
from hnlm_ray.report.facts.samples import sample_facts
from hnlm_ray.report.facts.search import search_facts
from hnlm_ray.report.facts.summary import cost, summary
from hnlm_ray.report.facts.texts import text_facts
from hnlm_ray.report.facts.training import curve_facts, finetune_facts, guard_facts
from hnlm_ray.report.plots import charts
from hnlm_ray.report.plots import frontier as frontier_plot
from hnlm_ray.report.plots import search as search_plots
from hnlm_ray.report.words import masked
from hnlm_ray.workspace.shown_tables import ShownTables
from hnlm_ray.workspace.tables import TABLES

Facts = dict[str, Any]
Row = Mapping[str, Any]
_TRIAL: Final = ["method", "search", "trial", "config", "status", "validation", "cpu_seconds", "curve"]
_REFIT: Final = [
    *("method", "seed", "epochs", "best_epoch"),
    *("curve", "slices", "hardness", "false_negative_share"),
]


def gather(
    config: Config,
    tables: ShownTables,
    stages: Sequence[Row],
    *,
    answer: Row | None,
    lacking: str | None,
    differs: str | None,
    options: str,
) -> Facts:
    """Return the facts of every section; a section that is not there yet is none or empty.

    Parameters
    ----------
    stages
        The rows of ``hnlm status``.
    answer
        What ``hnlm results`` prints; none before there is a comparison, and then ``lacking`` says why.
    differs
        How the configuration differs from the one that the published tables were made with; none where it does not.
    options
        As the shell would take them, for the commands that the report suggests.
    """
    costs = spent(stages, tables)
    return {
        "name": config.name,
        "workspace": masked(tables.workspace.uri),
        "options": masked(options),
        "states": {table: tables.published.state(table) for table in TABLES},
        "differs": differs,
        "finetunes": config.finetune.enabled or tables.readable("finetune_log"),
        "stages": stage_facts(stages, tables),
        "cost": cost(costs),
        "data": _data(tables),
        "texts": text_facts(tables, config.seed),
        "samples": sample_facts(tables, config.seed),
        "finetune": _finetune(tables),
        "lacking": lacking,
        "results": None if answer is None else _results(answer, costs, tables),
        "recommendations": recommendation_facts(tables, config.seed),
        "checkable": is_checkable(tables),
        "configuration": configuration_text(config),
        "made_with": version_facts(tables),
    }


def _data(tables: ShownTables) -> Facts | None:
    found = data_facts(tables)
    return found and {**found, "plot": charts.tail(found["tail"]["points"])}


def _finetune(tables: ShownTables) -> Facts:
    found = finetune_facts(tables)
    return {**found, "plot": charts.finetune(found["curve"]) if found["curve"] else None}


def _results(answer: Row, costs: Sequence[Row], tables: ShownTables) -> Facts:
    methods, told = comparison(answer), summary(answer, costs, _test_users(tables))
    families = {method["name"]: method["family"] for method in methods}
    lead = [told[who]["name"] for who in ("base", "ours") if told[who]]
    rows = tables.read("results", _REFIT).to_pylist()
    return {
        "summary": told,
        "fresh": answer["fresh"],
        "reason": answer["reason"],
        "budget": budget_sentence(answer["budget"]),
        "failed_methods": answer["failed_methods"],
        "methods": methods,
        "forest": charts.forest(methods, answer["metric"], answer["best_classical"]) if told["base"] else None,
        "lead": lead,
        "curves": _curves(rows, families, lead, answer["metric"]),
        "slices": _slices(rows, families, lead, answer["metric"]),
        "hardness": _hardness(rows, families, tables),
        "frontier": _frontier(tables, answer),
        "search": _search(tables, families, lead, answer["metric"]),
        "guard": _guard(tables),
    }


def _test_users(tables: ShownTables) -> int:
    """Return how many users each row of results has a figure of."""
    return int(pc.max(pc.list_value_length(tables.read("results", ["per_user"])["per_user"])).as_py() or 0)


def _curves(rows: Sequence[Row], families: Mapping[str, str], lead: Sequence[str], metric: str) -> Facts | None:
    found = curve_facts(rows)
    if not found:
        return None
    drawn = [("validation", f"validation {metric}"), ("loss", "training loss")]
    return {"methods": found, "plots": [charts.curves(found, value, families, lead, label) for value, label in drawn]}


def _slices(rows: Sequence[Row], families: Mapping[str, str], lead: Sequence[str], metric: str) -> Facts | None:
    found = slice_facts(rows, list(families))
    if found is None:
        return None
    drawn = [(metric, tuple(HISTORIES)), ("share of test rows found", tuple(POPULARITIES))]
    return {**found, "plots": [charts.groups(found, lead, families, label, names) for label, names in drawn]}


def _hardness(rows: Sequence[Row], families: Mapping[str, str], tables: ShownTables) -> Facts | None:
    points = hardness_facts(rows, families)
    if not points:
        return None
    at_random = tables.published.manifests["results"].counts.get("random_false_negative_share")
    expected = at_random if isinstance(at_random, float) else None
    curves = [curve for curve in curve_facts(rows) if curve["false"]]
    return {
        "points": points,
        "at_random": expected,
        "plot": charts.hardness(points, expected),
        "curves": curves,
        "curves_plot": charts.false_negatives(curves, families, expected) if curves else None,
    }


def _frontier(tables: ShownTables, answer: Row) -> Facts | None:
    found = frontier_facts(tables, answer)
    return found and {**found, "plot": frontier_plot.frontier(found)}


def _guard(tables: ShownTables) -> Facts | None:
    found = guard_facts(tables)
    return found and {**found, "plot": charts.reliability(found["bins"])}


def _search(tables: ShownTables, families: Mapping[str, str], lead: Sequence[str], metric: str) -> Facts:
    found = search_facts(tables.read("trials", _TRIAL).to_pylist(), list(families), metric)
    parameters = [
        {**own, "plot": search_plots.sensitivity(own, families, lead, metric)} for own in found["sensitivity"]
    ]
    told = [own for own in found["importance"] if own["name"] in lead and own["shares"]]
    return {
        **found,
        "sensitivity": parameters,
        "importance_plots": [search_plots.importance(own, families[own["name"]]) for own in told],
        "anytime_plot": search_plots.anytime(found["anytime"], families, lead, metric) if found["anytime"] else None,
    }
