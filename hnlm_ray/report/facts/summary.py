"""The summary: what was tested, what won, by how much, how sure, what texts and the LLM added, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hnlm_ray.compare.findings import find, told_controls
from hnlm_ray.compare.method_rows import unit_of
from hnlm_ray.compare.verdict import headline
from hnlm_ray.config.controls import CONTROLS

Facts = dict[str, Any]
_FEW: Final = {"users": 1000, "searches": 5, "seeds": 5, "trials": 10}
_TRAININGS: Final = ("searches", "seeds", "trials")


def summary(answer: Mapping[str, Any], spent: Sequence[Mapping[str, Any]], test_users: int) -> Facts:
    """Return the summary of a finished comparison.

    Parameters
    ----------
    answer
        What ``hnlm results --json`` prints.
    spent
        What each stage cost: its rows, tokens and seconds, as in ``hnlm status --json``.
    test_users
        The users whose test rows the methods are compared on.
    """
    metric, entries = answer["metric"], answer["methods"]
    by_name = {entry["name"]: entry for entry in entries}
    ours = by_name.get(answer["best_semantic"] or "")
    base = by_name.get(answer["best_classical"] or "")
    finding, compared = find(answer), [entry for entry in (ours, base) if entry]
    controls = [] if ours is None else told_controls(ours)
    return {
        "outcome": finding.outcome,
        "credit": finding.credit,
        "scope": finding.scope,
        "unit": _unit(answer, compared),
        "headline": headline(finding),
        "metric": metric,
        "tested": _tested(answer),
        "leader": _scored(entries[0], metric) if entries else None,
        "ours": ours and _scored(ours, metric),
        "base": base and _scored(base, metric),
        "gain": ours and base and _gain(ours, base, metric),
        "controls": [control for control in controls if control["beaten"] is not None],
        "missing": [control["name"] for control in controls if control["beaten"] is None],
        "cost": cost(spent),
        "caveats": caveats(_basis(answer, compared, test_users)),
        "verdict": answer["verdict"],
    }


def _tested(answer: Mapping[str, Any]) -> Facts:
    entries = answer["methods"]
    return {
        **{name: answer["dataset"][name] for name in ("users", "interactions")},
        "catalogue": answer["dataset"]["items"],
        "methods": len(entries),
        **{name: max((entry[name] for entry in entries), default=0) for name in _TRAININGS},
    }


def _basis(answer: Mapping[str, Any], compared: Sequence[Mapping[str, Any]], test_users: int) -> dict[str, int]:
    """Return what the difference rests on: the test users, and the fewest units and trials of the compared methods.

    Units are searches, or of a single one its seeds: with several, ``seeds`` of a method are refits of all of them.
    """
    named = (_unit(answer, compared), "trials")
    least = {name: min((entry[name] for entry in compared), default=_tested(answer)[name]) for name in named}
    return {"users": test_users, **least}


def _unit(answer: Mapping[str, Any], compared: Sequence[Mapping[str, Any]]) -> str:
    """Return what the sample is: of the comparison, and without one what most could make it."""
    given = [entry["versus_best_classical"]["unit"] for entry in compared]
    most = unit_of(range(_tested(answer)["searches"]))
    return next((unit for unit in given if unit is not None), most)


def _scored(entry: Mapping[str, Any], metric: str) -> Facts:
    return {
        "name": entry["name"],
        "family": entry["family"],
        "told": told(entry),
        "test": entry["test"][metric],
        "std": entry["test_std"][metric],
        "unit": unit_of(range(entry["searches"])),
    }


def told(entry: Mapping[str, Any]) -> str:
    """Say in a sentence what a method goes by."""
    if entry["family"] == "control":
        control = CONTROLS.get(entry["takes"] or "")
        return f"It is a control of {entry['control_of']}" + (f", without {control.takes}." if control else ".")
    if entry["family"] == "classical":
        return "It goes by behaviour alone and reads no text."
    return "It uses what the LLM wrote." if entry["llm_tokens"] else "It reads the items' texts."


def _gain(ours: Mapping[str, Any], base: Mapping[str, Any], metric: str) -> Facts:
    versus, level = ours["versus_best_classical"], base["test"][metric]
    difference = versus["difference"]
    relative = difference / level if level and difference is not None else None
    return {"difference": difference, "relative": relative, "ci95": versus["ci95"], "p": versus["p_holm"]}


def cost(spent: Sequence[Mapping[str, Any]]) -> Facts:
    """Add up tokens, seconds, and the rows that an LLM answered."""
    asked = [stage for stage in spent if stage["tokens"]["in"] or stage["tokens"]["out"]]
    rows = [stage["rows"] for stage in asked]
    return {
        "tokens_in": sum(stage["tokens"]["in"] for stage in asked),
        "tokens_out": sum(stage["tokens"]["out"] for stage in asked),
        "seconds": sum(stage["seconds"] for stage in spent),
        "llm_seconds": sum(stage["seconds"] for stage in asked),
        "rows": sum(row["ok"] + row["none"] + row["failed"] for row in rows),
        "failed": sum(row["failed"] for row in rows),
    }


def caveats(basis: Mapping[str, int]) -> list[str]:
    """Say where there is too little of something to trust a small difference."""
    reasons = {
        "users": "test users: {:,}. A difference of a few percent can be chance, and other people may differ",
        "searches": "searches: {}. How much a search finds by itself is known only roughly",
        "seeds": "seeds: {}. How much a training varies by itself is known only roughly",
        "trials": "trials a method: {}. Each might do better with more tuning",
    }
    return [reasons[name].format(count) for name, count in basis.items() if count < _FEW[name]]
