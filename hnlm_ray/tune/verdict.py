"""One honest sentence: what the LLM added, also when that is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hnlm_ray.tune.methods import controls_of

LEVEL: Final = 0.05
Entry = dict[str, Any]


def verdict(entries: Sequence[Entry], metric: str, best_classical: str | None, semantic: str | None) -> str:
    """Say whether the semantic method beats the best classical one, by how much, and what the controls say.

    Parameters
    ----------
    entries
        The ``methods`` of the leaderboard.
    best_classical, semantic
        Names, both chosen on validation; none where no method of the family finished.
    """
    by_name = {entry["name"]: entry for entry in entries}
    if best_classical is None:
        return "No classical method finished, so there is nothing to compare what the LLM wrote with."
    ours, base = by_name.get(semantic or ""), by_name[best_classical]
    if ours is None:
        return f"No semantic method finished, so nothing is known about what the LLM adds; {_best(base, metric)}."
    versus = ours["versus_best_classical"]
    if versus["difference"] is None:
        return f"{semantic} and {best_classical} share no finished seed, so what the LLM adds can't be judged."
    return f"{_outcome(ours, base, metric)}; {_controls(ours)}."


def _best(base: Entry, metric: str) -> str:
    return f"the best classical method is {base['name']} with test {metric} {base['test'][metric]:.4f}"


def _outcome(ours: Entry, base: Entry, metric: str) -> str:
    versus = ours["versus_best_classical"]
    difference, (low, high), p = versus["difference"], versus["ci95"], versus["p_holm"]
    figures = (
        f"test {metric} {ours['test'][metric]:.4f} against {base['test'][metric]:.4f}, "
        f"difference {difference:+.4f}{_relative(difference, base['test'][metric])}, "
        f"95% CI [{low:+.4f}, {high:+.4f}], Holm-corrected p {_p(p)}"
    )
    if p >= LEVEL:
        return f"The LLM adds nothing measurable: {ours['name']} can't be told apart from {base['name']} ({figures})"
    if difference < 0:
        return f"The LLM adds nothing: {ours['name']} is worse than {base['name']} ({figures})"
    return f"{ours['name']} beats the best classical method {base['name']} ({figures})"


def _relative(difference: float, base: float) -> str:
    return f" ({difference / base:+.1%})" if base else ""


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _controls(ours: Entry) -> str:
    """Return what the method's own controls say; a gain counts as the LLM's only where every one is beaten."""
    compared = [control for control in ours["versus_controls"] if control["difference"] is not None]
    if not compared:
        return f"no control run of {ours['name']} finished, so no gain could be credited to the LLM"
    unbeaten = [control for control in compared if not _is_beaten(control)]
    listed = ", ".join(
        f"{control['name']} {control['difference']:+.4f} p {_p(control['p_holm'])}" for control in unbeaten or compared
    )
    if unbeaten:
        return f"it does not beat every control ({listed}), so no gain can be credited to the LLM"
    missing = sorted(set(controls_of(ours["name"])) - {control["name"] for control in compared})
    if missing:
        return (
            f"it beats the controls that finished ({listed}); {', '.join(missing)} did not, so the gain is not proven"
        )
    return f"it beats every control ({listed})"


def _is_beaten(control: Entry) -> bool:
    return bool(control["difference"] > 0 and control["p_holm"] < LEVEL)
