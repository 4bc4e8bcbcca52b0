"""What text is worth, a data set each: the best semantic method, the best classical one, and the same without text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hnlm_ray.compare.versus import versus
from hnlm_ray.study.claims.answer import Against, Figures, LLMWorth, RunAnswer, TextWorth
from hnlm_ray.study.finished import FinishedRun

LLM: Final = "_llm"
"""How a method is called that reads what the LLM judged, after the same with texts by an encoder."""


def text_worth(finished: Sequence[FinishedRun], runs: Sequence[RunAnswer]) -> list[TextWorth]:
    """Return a row for each run that has a semantic method; both "best" are chosen on validation.

    ``text_share`` is the part of the gain over the best classical method that the same method without text does not
    have; none without a gain or without such a twin. ``versus_best_unfused`` leaves out what is a semantic method
    without its text (late fusion and distillation of behaviour alone). p is corrected for the best classical method
    alone: each other is one test of one method that validation chose. ``speaks_of`` of each comparison: methods, or the
    configurations that a search found for them.

    Parameters
    ----------
    runs
        Of the study's answer, whose p is corrected over all comparisons, in the order of ``finished``.
    """
    rows = (_row(run, table) for run, table in zip(finished, runs, strict=True))
    return [row for row in rows if row is not None]


def _row(run: FinishedRun, table: RunAnswer) -> TextWorth | None:
    base, ours = run.board["best_classical"], run.best("semantic")
    if base is None or ours is None:
        return None
    told = next(method for method in table["methods"] if method["name"] == ours)
    gain = {"relative": told["relative"], "ci95": told["relative_ci95"]}
    gain |= {name: told[name] for name in ("p_holm", "speaks_of")}
    shuffled = next((name for name in _controls(run, ours) if name.endswith("_shuffled")), None)
    twin = run.twins.get(ours)
    best_semantic = {
        **_figures(run, ours),
        "versus_best_classical": gain,
        "versus_best_unfused": _against(run, ours, _unfused(run)),
        "versus_shuffled": _against(run, ours, shuffled),
        "versus_without_text": _against(run, ours, twin),
        "text_share": _text_share(run, ours, twin, base),
    }
    by_llm = [llm for entry in run.entries if (llm := _llm(run, entry["name"])) is not None]
    sizes = run.board["dataset"]
    return {
        "name": run.dataset,
        "variant": run.variant,
        "users": sizes["users"],
        "items": sizes["items"],
        "interactions": sizes["interactions"],
        "best_classical": _figures(run, base),
        "best_semantic": best_semantic,
        "llm": by_llm,
    }


def _unfused(run: FinishedRun) -> str | None:
    """Return the best classical method, by validation, that is no twin of a semantic one: samplers, softmax, EASE."""
    return run.best("classical", frozenset(run.methods) - set(run.twins.values()))


def _controls(run: FinishedRun, name: str) -> list[str]:
    return next(list(entry["controls"]) for entry in run.entries if entry["name"] == name)


def _figures(run: FinishedRun, name: str) -> Figures:
    """Return name, test figure, what is found of rare items' test rows, false negatives, CPU seconds of the trials."""
    rows = run.methods[name]
    refits = rows.refits
    slices = [dict(refit["slices"] or ()) for refit in refits]
    return {
        "name": name,
        run.metric: rows.test[run.metric],
        **{group: _mean([own.get(group) for own in slices]) for group in ("items_unseen", "items_rare")},
        "false_negative_share": _mean([refit["false_negative_share"] for refit in refits]),
        "cpu_seconds": round(rows.cpu_seconds, 1),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _against(run: FinishedRun, ours: str, other: str | None) -> Against | None:
    """Return the relative difference to another of the run's methods; none where it did not finish."""
    if other is None or other not in run.methods:
        return None
    found = versus(run.methods[ours], run.methods[other], run.found_by)
    if found is None:
        return None
    facts = found.facts
    return {"name": other, "p": found.p, "relative": facts["relative"], "speaks_of": facts["speaks_of"]}


def _llm(run: FinishedRun, name: str) -> LLMWorth | None:
    """Return what the LLM's evidence adds to the same method with texts by an encoder, and that by tokens spent."""
    if not name.endswith(LLM):
        return None
    gain = _against(run, name, name.removesuffix(LLM))
    if gain is None:
        return None
    per_million = gain["relative"] / (run.tokens / 1e6) if run.tokens and gain["relative"] is not None else None
    return {"method": name, "versus": gain, "tokens": run.tokens, "relative_per_million_tokens": per_million}


def _text_share(run: FinishedRun, ours: str, twin: str | None, base: str) -> float | None:
    if twin is None or twin not in run.methods:
        return None
    own, without, classical = (_figures(run, name)[run.metric] for name in (ours, twin, base))
    if None in {own, without, classical} or own <= classical:
        return None
    return float((own - without) / (own - classical))
