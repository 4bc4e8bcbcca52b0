"""What a comparison found, and whose merit it is: the ground of every word in verdict, headline and report.

A gain is credited to the most that no control takes back. A control that has the gain as well, or that has no
figures, leaves the gain to what it keeps (:data:`hnlm_ray.config.controls.CONTROLS`): a shuffled text to behaviour, the
items' facts without the LLM to the texts. Only where all of them are beaten, and the method reads what an LLM spent
tokens on, it is the LLM's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from hnlm_ray.compare.method_rows import Scope
from hnlm_ray.config.controls import CONTROLS, EXTENDED, Leaves
from hnlm_ray.config.spaces import STANDING_BASELINES

LEVEL: Final = 0.05
Entry = Mapping[str, Any]
Outcome = Literal["gain", "level", "lower", "unknown"]
Credit = Literal["nothing", "behaviour", "texts", "LLM"]
_RISING: Final[Sequence[Credit]] = ("nothing", "behaviour", "texts", "LLM")


@dataclass(frozen=True)
class Finding:
    """What the best method with text is to the best classical one, both chosen on validation.

    Attributes
    ----------
    outcome
        gain and lower: the difference can be told from chance; level: it can't; unknown: there is none.
    credit
        Whose a gain is; nothing without one.
    scope
        What the words may speak of: two methods, or the two configurations that one search of each found. A gain speaks
        of methods only if the comparisons with its controls do.
    ours, base
        The methods' names in results; none where none finished.
    unbeaten, missing
        The controls by which less is credited: those that have the gain as well, and those without figures.
    absent
        Standing baselines that were not compared.
    """

    outcome: Outcome
    credit: Credit
    scope: Scope
    ours: str | None
    base: str | None
    unbeaten: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def find(board: Mapping[str, Any]) -> Finding:
    """Return what a leaderboard found; its ``best_semantic`` is compared with its ``best_classical``."""
    by_name = {entry["name"]: entry for entry in board["methods"]}
    ours, base = by_name.get(board["best_semantic"] or ""), by_name.get(board["best_classical"] or "")
    named = (None if ours is None else ours["name"], None if base is None else base["name"])
    if ours is None or base is None or ours["versus_best_classical"]["difference"] is None:
        return Finding("unknown", "nothing", "configurations", *named)
    versus = ours["versus_best_classical"]
    scope: Scope = versus["speaks_of"]
    outcome = outcome_of(versus)
    if outcome != "gain":
        return Finding(outcome, "nothing", scope, *named)
    controls = told_controls(ours)
    unbeaten = tuple(control["name"] for control in controls if control["beaten"] is False)
    missing = tuple(control["name"] for control in controls if control["beaten"] is None)
    told = {control["speaks_of"] for control in controls if control["beaten"] is not None}
    scope = "configurations" if "configurations" in told else scope
    figures = [entry["name"] for entry in board["methods"] if entry["test"][board["metric"]] is not None]
    absent = tuple(name for name in STANDING_BASELINES if not any(_is(one, name) for one in figures))
    return Finding("gain", credit_of(ours, controls), scope, *named, unbeaten, missing, absent)


def _is(result: str, method: str) -> bool:
    return result.rpartition("-")[2] == method


def outcome_of(versus: Entry) -> Outcome:
    """Return what a corrected comparison says."""
    if versus["difference"] is None:
        return "unknown"
    if versus["p_holm"] >= LEVEL:
        return "level"
    return "gain" if versus["difference"] > 0 else "lower"


def told_controls(ours: Entry) -> list[dict[str, Any]]:
    """Return a method's own controls with what they say: ``beaten`` is none of one without figures."""
    compared = {control["name"]: control for control in ours.get("versus_controls", ())}
    return [_told(name, compared.get(name), ours["control_takes"].get(name)) for name in ours["controls"]]


def _told(name: str, versus: Entry | None, takes: str | None) -> dict[str, Any]:
    outcome = "unknown" if versus is None else outcome_of(versus)
    return {
        **(versus or {"difference": None, "p_holm": None}),
        "name": name,
        "beaten": None if outcome == "unknown" else outcome == "gain",
        "leaves": leaves(takes),
    }


def leaves(takes: str | None) -> Leaves:
    """Return what a gain is the merit of where a control has it too: of the method that is extended, the texts'.

    Of a control of one's own nothing is known, so it is taken for one that leaves behaviour.
    """
    if takes == EXTENDED:
        return "texts"
    control = CONTROLS.get(takes or "")
    return "behaviour" if control is None else control.leaves


def credit_of(ours: Entry, controls: Sequence[Mapping[str, Any]]) -> Credit:
    """Return whose a gain is; behaviour's where the method has no control that could tell."""
    most: Credit = "LLM" if ours["llm_tokens"] else "texts"
    left: list[Credit] = [control["leaves"] for control in controls if not control["beaten"]]
    told = {control["leaves"] for control in controls}
    if "behaviour" not in told:
        left.append("behaviour")
    if "texts" not in told and not _has_no_llm_control(ours):
        left.append("texts")
    return min((most, *left), key=_RISING.index)


def _has_no_llm_control(ours: Entry) -> bool:
    """Tell whether a control without the LLM leaves behaviour alone: where the LLM gave vectors, not texts."""
    return bool({"teacher", "item"} & set(ours["control_takes"].values()))
