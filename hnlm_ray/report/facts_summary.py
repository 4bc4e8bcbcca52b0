"""The summary: what was tested, what won, by how much, how sure, what the LLM added, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hnlm_ray.tune.leaderboard import best_by_validation
from hnlm_ray.tune.verdict import LEVEL

Facts = dict[str, Any]
_FEW: Final = {"users": 1000, "seeds": 5, "trials": 10}
_TRAININGS: Final = ("seeds", "trials")
HEADLINES: Final = {
    "gain": "What the LLM wrote makes recommendations better.",
    "unproven": "Better than the best classical sampler, but not proven to be the LLM's merit.",
    "nothing": "The LLM adds nothing measurable.",
    "worse": "What the LLM wrote makes recommendations worse.",
    "unknown": "What the LLM adds can't be judged.",
}


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
    ours = by_name.get(best_by_validation(entries, "semantic", metric) or "")
    base = by_name.get(answer["best_classical"] or "")
    outcome = judge(ours, base)
    return {
        "outcome": outcome,
        "headline": HEADLINES[outcome],
        "metric": metric,
        "tested": _tested(answer),
        "leader": _scored(entries[0], metric) if entries else None,
        "ours": ours and _scored(ours, metric),
        "base": base and _scored(base, metric),
        "gain": ours and base and _gain(ours, base, metric),
        "controls": [] if ours is None else _controls(ours),
        "missing": [] if ours is None else _missing(ours),
        "cost": cost(spent),
        "caveats": caveats(_basis(answer, [entry for entry in (ours, base) if entry], test_users)),
        "verdict": answer["verdict"],
    }


def judge(ours: Mapping[str, Any] | None, base: Mapping[str, Any] | None) -> str:
    """Return the key of a headline: a gain counts as the LLM's only where every control is there and beaten."""
    versus = ours["versus_best_classical"] if ours and base else None
    if ours is None or versus is None or versus["difference"] is None:
        return "unknown"
    if versus["p_holm"] >= LEVEL:
        return "nothing"
    if versus["difference"] < 0:
        return "worse"
    proven = not _missing(ours) and all(control["beaten"] for control in _controls(ours))
    return "gain" if proven else "unproven"


def _controls(ours: Mapping[str, Any]) -> list[Facts]:
    return [{**control, "beaten": _is_beaten(control)} for control in ours.get("versus_controls", ())]


def _missing(ours: Mapping[str, Any]) -> list[str]:
    """Return the method's own controls that there is no difference to: not compared, or not finished."""
    told = {control["name"] for control in _controls(ours) if control["difference"] is not None}
    return [name for name in ours["controls"] if name not in told]


def _is_beaten(control: Mapping[str, Any]) -> bool:
    return control["difference"] is not None and control["difference"] > 0 and control["p_holm"] < LEVEL


def _tested(answer: Mapping[str, Any]) -> Facts:
    entries = answer["methods"]
    return {
        **{name: answer["dataset"][name] for name in ("users", "interactions")},
        "catalogue": answer["dataset"]["items"],
        "methods": len(entries),
        "trials": max((entry["trials"] for entry in entries), default=0),
        "seeds": max((entry["seeds"] for entry in entries), default=0),
    }


def _basis(answer: Mapping[str, Any], compared: Sequence[Mapping[str, Any]], test_users: int) -> dict[str, int]:
    """Return what the difference rests on: the test users, and the fewest seeds and trials of the compared methods."""
    least = {name: min((entry[name] for entry in compared), default=_tested(answer)[name]) for name in _TRAININGS}
    return {"users": test_users, **least}


def _scored(entry: Mapping[str, Any], metric: str) -> Facts:
    return {
        "name": entry["name"],
        "family": entry["family"],
        "test": entry["test"][metric],
        "std": entry["test_std"][metric],
    }


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
    users, seeds, trials = (basis[name] for name in ("users", "seeds", "trials"))
    reasons = {
        "users": f"test users: {users:,}. A difference of a few percent can be chance, and other people may differ",
        "seeds": f"seeds: {seeds}. How much a training varies by itself is known only roughly",
        "trials": f"trials a method: {trials}. Each might do better with more tuning",
    }
    return [reason for name, reason in reasons.items() if basis[name] < _FEW[name]]
