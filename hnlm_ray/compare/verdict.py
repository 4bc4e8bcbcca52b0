"""The words of a comparison: one headline and one honest verdict, from what was found; also when that is nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hnlm_ray.compare.findings import Credit, Finding, Outcome, find, told_controls
from hnlm_ray.compare.method_rows import Scope

Entry = Mapping[str, Any]
_FEW_SECONDS: Final = 9.95
_UNITS: Final = {"trials": "trials", "cpu_seconds": "CPU seconds"}
_HEADLINES: Final[Mapping[tuple[Outcome, Credit, Scope], str]] = {
    ("gain", "LLM", "methods"): "What the LLM wrote makes recommendations better.",
    ("gain", "LLM", "configurations"): "With what the LLM wrote, one configuration ranks above the best classical one.",
    ("gain", "texts", "methods"): "The items' texts make recommendations better.",
    ("gain", "texts", "configurations"): (
        "With the items' texts, one configuration ranks above the best classical one."
    ),
    ("gain", "behaviour", "methods"): "Better than the best classical method, but not shown to be the texts' merit.",
    ("gain", "behaviour", "configurations"): (
        "One configuration ranks above the best classical one, but that is not shown to be the texts' merit."
    ),
    ("level", "nothing", "methods"): "No gain over the best classical method that can be told from chance.",
    ("level", "nothing", "configurations"): (
        "No gain over the best classical configuration that can be told from chance."
    ),
    ("lower", "nothing", "methods"): "Worse than the best classical method.",
    ("lower", "nothing", "configurations"): "The best configuration with texts ranks below the best classical one.",
}
_UNKNOWN: Final = "What texts add can't be judged."
_OUTCOMES: Final[Mapping[tuple[Outcome, Scope], str]] = {
    ("gain", "methods"): "{ours} beats the best classical method {base}",
    ("gain", "configurations"): "This configuration of {ours} ranks above that of the best classical method {base}",
    ("level", "methods"): "{ours} can't be told apart from the best classical method {base}",
    ("level", "configurations"): (
        "These configurations of {ours} and of the best classical method {base} can't be told apart"
    ),
    ("lower", "methods"): "{ours} is worse than the best classical method {base}",
    ("lower", "configurations"): "This configuration of {ours} ranks below that of the best classical method {base}",
}


def headline(finding: Finding) -> str:
    """Return the one sentence that a reader takes away."""
    return _HEADLINES.get((finding.outcome, finding.credit, finding.scope), _UNKNOWN)


def verdict(board: Mapping[str, Any]) -> str:
    """Say what the best method with text is to the best classical one, and whose merit a gain is.

    Then what was not compared that should have been, what each method had to be tuned with, and which of them never
    came to a figure. ``board`` is the leaderboard, all but its verdict.
    """
    finding = find(board)
    sentences = [
        _answer(board, finding),
        *_scope(board, finding),
        *_absent(finding),
        budget_sentence(board["budget"]),
        *_failed(board["failed_methods"]),
        *_lost(board["methods"]),
    ]
    return " ".join(filter(None, sentences))


def _answer(board: Mapping[str, Any], finding: Finding) -> str:
    by_name, metric = {entry["name"]: entry for entry in board["methods"]}, board["metric"]
    if finding.base is None:
        return "No classical method finished, so there is nothing to compare with."
    base = by_name[finding.base]
    if finding.ours is None:
        ended = "finished" if any(entry["family"] == "semantic" for entry in board["methods"]) else "was compared"
        return f"No method with texts {ended}, so nothing is known about what they add; {_best(base, metric)}."
    if finding.outcome == "unknown":
        return f"{finding.ours} and {finding.base} share no finished seed, so what texts add can't be judged."
    ours = by_name[finding.ours]
    told = _OUTCOMES[finding.outcome, finding.scope].format(ours=finding.ours, base=finding.base)
    return f"{told} ({_figures(ours, base, metric)}){_merit(ours, finding)}."


def _merit(ours: Entry, finding: Finding) -> str:
    """Say whose a gain is, and which control says so."""
    if finding.outcome != "gain":
        return ""
    controls = told_controls(ours)
    if not controls:
        return f"; {finding.ours} has no control, so that is not shown to be the texts' merit"
    beaten = [control for control in controls if control["beaten"]]
    reasons = [f"it is above {_listed(beaten)}"] if beaten else []
    reasons += [f"not above {_listed([one for one in controls if one['beaten'] is False])}"] if finding.unbeaten else []
    reasons += [f"nothing is known of {', '.join(finding.missing)}"] if finding.missing else []
    return f"; {', but '.join(reasons)}: {_CREDITS[finding.credit]}"


_CREDITS: Final[Mapping[Credit, str]] = {
    "LLM": "so the difference is what the LLM wrote",
    "texts": "so the difference is what the texts say",
    "behaviour": "so the difference is not shown to be the texts' merit",
}


def _listed(controls: Sequence[Entry]) -> str:
    return ", ".join(f"{one['name']} ({one['difference']:+.4f}, p {_p(one['p_holm'])})" for one in controls)


def _scope(board: Mapping[str, Any], finding: Finding) -> list[str]:
    """Say why the words are about configurations where they are."""
    if finding.outcome == "unknown" or finding.scope == "methods":
        return []
    compared = [entry for entry in board["methods"] if entry["name"] in {finding.ours, finding.base}]
    searches = min(entry["searches"] for entry in compared)
    trials = min((entry["trials"] for entry in compared if entry["dimensions"]), default=0)
    told = f"searches {searches}, trials of a method {trials}; two searches and 20 trials would tell"
    which = "these two" if searches == 1 else "these"
    return [f"That is about {which} configurations, not about the methods: another search may find others ({told})."]


def _absent(finding: Finding) -> list[str]:
    if not finding.absent:
        return []
    return [f"Not compared with {', '.join(finding.absent)}, which take seconds and are often better."]


def budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what each method had to be tuned with; nothing without trials."""
    (least, most), (short, long) = budget["trials"], budget["cpu_seconds"]
    if least is None:
        return ""
    few, many = budget["dimensions"]
    trials = f"{_span(least, most)} trial{'' if most == 1 else 's'} over {_span(few, many)} dimensions"
    spent = list(dict.fromkeys((_whole(short), _whole(long))))
    search = f", {budget['search']} search" if "search" in budget else ""
    equal = f"; equal for all that search by {_UNITS[budget['equal']]}" if "equal" in budget else ""
    return f"Tuning of each method: {trials} and {' to '.join(spent)} CPU seconds{search}{equal}."


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _whole(seconds: float) -> str:
    """Write seconds, with a decimal where there are few."""
    return f"{seconds:,.0f}" if seconds >= _FEW_SECONDS else f"{seconds:.1f}"


def _failed(methods: Sequence[Entry]) -> list[str]:
    """Return a sentence about each method of which no trial came to a figure."""
    return [
        f"No trial of {method['name']} finished ({_counted(method['trials'])}{_first_of(method['errors'])})."
        for method in methods
    ]


def _lost(methods: Sequence[Entry]) -> list[str]:
    """Say of how many trainings nothing is known, for their processes were lost: no method's fault."""
    counts = Counter[str]()
    for method in methods:
        counts.update(method.get("lost", {}))
    return [_lost_with(count, *_TRAININGS[what]) for what, count in counts.items()]


_TRAININGS: Final = {"trials": ("trial", "trials"), "seeds": ("refit", "results")}


def _lost_with(count: int, what: str, stage: str) -> str:
    lost = (
        f"{count} {what} was lost with its process" if count == 1 else f"{count} {what}s were lost with their processes"
    )
    return f"{lost}, which is no method's fault: `hnlm stage {stage} --retry failed` makes up for that."


def _first_of(errors: Sequence[Entry]) -> str:
    return f"; {errors[0]['error']}" if errors else ""


def _counted(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in by_status.items())


def _best(base: Entry, metric: str) -> str:
    return f"the best classical method is {base['name']} with test {metric} {base['test'][metric]:.4f}"


def _figures(ours: Entry, base: Entry, metric: str) -> str:
    versus = ours["versus_best_classical"]
    difference, (low, high), p = versus["difference"], versus["ci95"], versus["p_holm"]
    return (
        f"test {metric} {ours['test'][metric]:.4f} against {base['test'][metric]:.4f}, "
        f"difference {difference:+.4f}{_relative(difference, base['test'][metric])}, "
        f"95% CI [{low:+.4f}, {high:+.4f}], Holm-corrected p {_p(p)}{_size(versus)}"
    )


def _relative(difference: float, base: float) -> str:
    return f" ({difference / base:+.1%})" if base else ""


def _size(versus: Entry) -> str:
    size = "" if versus["effect_size"] is None else f", effect size {versus['effect_size']:+.3f}"
    return f"{size}, users won {versus['wins']:,}, tied {versus['ties']:,}, lost {versus['losses']:,}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
