"""One honest sentence: what the LLM added, also when that is nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

LEVEL: Final = 0.05
Entry = dict[str, Any]
_FEW_SECONDS: Final = 9.95
_UNITS: Final = {"trials": "trials", "cpu_seconds": "CPU seconds"}


def verdict(board: Mapping[str, Any], semantic: str | None) -> str:
    """Say whether the semantic method beats the best classical one, by how much, and what the controls say.

    Then what each method had to be tuned with, and which of them never came to a figure.

    Parameters
    ----------
    board
        The leaderboard, all but its verdict.
    semantic
        The best semantic method, chosen on validation; none where none finished.
    """
    sentences = [_answer(board, semantic), budget_sentence(board["budget"]), *_failed(board["failed_methods"])]
    return " ".join(filter(None, sentences))


def _answer(board: Mapping[str, Any], semantic: str | None) -> str:
    by_name = {entry["name"]: entry for entry in board["methods"]}
    best_classical, metric = board["best_classical"], board["metric"]
    if best_classical is None:
        return "No classical method finished, so there is nothing to compare what the LLM wrote with."
    ours, base = by_name.get(semantic or ""), by_name[best_classical]
    if ours is None:
        ended = "finished" if any(entry["family"] == "semantic" for entry in board["methods"]) else "was compared"
        return f"No semantic method {ended}, so nothing is known about what the LLM adds; {_best(base, metric)}."
    versus = ours["versus_best_classical"]
    if versus["difference"] is None:
        return f"{semantic} and {best_classical} share no finished seed, so what the LLM adds can't be judged."
    return f"{_outcome(ours, base, metric)}; {_controls(ours)}."


def budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what each method had to be tuned with; nothing without trials."""
    (least, most), (short, long) = budget["trials"], budget["cpu_seconds"]
    if least is None:
        return ""
    trials = f"{'' if least == most else f'{least} to '}{most} trial{'' if most == 1 else 's'}"
    spent = list(dict.fromkeys((_whole(short), _whole(long))))
    search = f", {budget['search']} search" if "search" in budget else ""
    equal = f"; equal for all by {_UNITS[budget['equal']]}" if "equal" in budget else ""
    return f"Tuning of each method: {trials} and {' to '.join(spent)} CPU seconds{search}{equal}."


def _whole(seconds: float) -> str:
    """Write seconds, with a decimal where there are few."""
    return f"{seconds:,.0f}" if seconds >= _FEW_SECONDS else f"{seconds:.1f}"


def _failed(methods: Sequence[Entry]) -> list[str]:
    """Return a sentence about each method of which no trial came to a figure."""
    return [
        f"No trial of {method['name']} finished ({_counted(method['trials'])}{_first_of(method['errors'])})."
        for method in methods
    ]


def _first_of(errors: Sequence[Entry]) -> str:
    return f"; {errors[0]['error']}" if errors else ""


def _counted(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in by_status.items())


def _best(base: Entry, metric: str) -> str:
    return f"the best classical sampler is {base['name']} with test {metric} {base['test'][metric]:.4f}"


def _outcome(ours: Entry, base: Entry, metric: str) -> str:
    versus = ours["versus_best_classical"]
    difference, (low, high), p = versus["difference"], versus["ci95"], versus["p_holm"]
    figures = (
        f"test {metric} {ours['test'][metric]:.4f} against {base['test'][metric]:.4f}, "
        f"difference {difference:+.4f}{_relative(difference, base['test'][metric])}, "
        f"95% CI [{low:+.4f}, {high:+.4f}], Holm-corrected p {_p(p)}{_size(versus)}"
    )
    if p >= LEVEL:
        return f"The LLM adds nothing measurable: {ours['name']} can't be told apart from {base['name']} ({figures})"
    if difference < 0:
        return f"The LLM adds nothing: {ours['name']} is worse than {base['name']} ({figures})"
    return f"{ours['name']} beats the best classical method {base['name']} ({figures})"


def _relative(difference: float, base: float) -> str:
    return f" ({difference / base:+.1%})" if base else ""


def _size(versus: Entry) -> str:
    size = "" if versus["effect_size"] is None else f", effect size {versus['effect_size']:+.3f}"
    return f"{size}, users won {versus['wins']:,}, tied {versus['ties']:,}, lost {versus['losses']:,}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _controls(ours: Entry) -> str:
    """Return what the method's own controls say; a gain counts as the LLM's only where every one is beaten."""
    compared = [control for control in ours.get("versus_controls", ()) if control["difference"] is not None]
    if not compared:
        return f"no control run of {ours['name']} finished, so no gain could be credited to the LLM"
    unbeaten = [control for control in compared if not _is_beaten(control)]
    listed = ", ".join(
        f"{control['name']} {control['difference']:+.4f} p {_p(control['p_holm'])}" for control in unbeaten or compared
    )
    if unbeaten:
        return f"it does not beat every control ({listed}), so no gain can be credited to the LLM"
    missing = sorted(set(ours["controls"]) - {control["name"] for control in compared})
    if missing:
        return (
            f"it beats the controls that finished ({listed}); {', '.join(missing)} did not, so the gain is not proven"
        )
    return f"it beats every control ({listed})"


def _is_beaten(control: Entry) -> bool:
    return bool(control["difference"] > 0 and control["p_holm"] < LEVEL)
