"""The files of a study: study.json, study.csv, the diagram of its ranks, and study.md, a page in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from hnlm_ray.base.text import clean, redacted
from hnlm_ray.compare.ranks import Ranking
from hnlm_ray.export.files import Target, write_file, write_rows
from hnlm_ray.report.plots.ranks import rank_diagram
from hnlm_ray.study.claims.answer import (
    ClaimTest,
    Figures,
    JudgedClaim,
    LLMWorth,
    Pooled,
    Ranks,
    RunAnswer,
    StudyAnswer,
    TextWorth,
)
from hnlm_ray.study.words import claim_verdict, headlines, over_datasets, p_in_words
from hnlm_ray.workspace import Workspace


def markdown(answer: StudyAnswer) -> str:
    """Return the page: claims, what is pooled over data sets, ranks, a table a run; ``ranks.svg`` lies beside it."""
    return "\n".join([f"# Study {_cell(answer['name'])}", "", *_page(answer)]) + "\n"


def _page(answer: StudyAnswer) -> Iterator[str]:
    draws = f"{answer['searches']} searches of each method, {answer['seeds']} seeds of each winner"
    yield from (f"Metric {answer['metric']}, {draws}. {answer['correction']}.", "")
    if answer["claims"]:
        yield from ("## Claims", "", *_claims(answer["claims"]))
    yield from ("## Over data sets", "", *_pooled(answer["pooled"]))
    yield from ("## Ranks", "", *_ranks(answer["ranks"]))
    if answer["text_worth"]:
        yield from ("## What text is worth", "", *_worth(answer["text_worth"], answer["metric"]))
    for run in answer["runs"]:
        yield from (f"## {run['dataset']}, {run['variant']}", "", *_run(run))
    if answer["unfinished"]:
        yield from ("## Not in this table", "")
        yield from (f"- {one['dataset']}/{one['variant']}: {_cell(one['reason'])}" for one in answer["unfinished"])
        yield ""


def _claims(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    rows = [[claim["name"], claim["claim"], f"**{claim_verdict(claim)}**", _why(claim)] for claim in claims]
    yield from _table(["claim", "what it says", "verdict", "what is lacking or needed"], rows)
    for claim in claims:
        if claim["tests"]:
            yield from (f"### {claim['name']}", "")
            head = ["test", "unit", "difference", "95% CI", "all tests together", "p (Holm)", "speaks of", "outcome"]
            yield from _table(head, [_test(test) for test in claim["tests"]])
        if claim["figures"]:
            names = list(dict.fromkeys(name for row in claim["figures"] for name in row))
            yield from _table(names, [[_figure(row.get(name)) for name in names] for row in claim["figures"]])


def _why(claim: JudgedClaim) -> str:
    return "; ".join([*([claim["needed"]] if claim["needed"] else []), *claim["lacking"]])


def _test(test: ClaimTest) -> list[str]:
    return [
        *(test["about"], test["unit"], f"{test['difference']:+.4f}", _interval(test["ci95"])),
        *(_interval(test["simultaneous_ci95"]), _p(test["p_holm"]), test["speaks_of"], test["outcome"]),
    ]


def _pooled(found: Pooled) -> Iterator[str]:
    if found["reason"]:
        yield from (f"No sentence about methods over data sets: {found['reason']}.", "")
        return
    yield (
        f"Each of {len(found['datasets'])} data sets has searches of its own, so these sentences speak of methods; the "
        "best classical method, and the best semantic one, are those of each data set by validation."
    )
    yield from ("", *(f"- {_cell(over_datasets(one))}" for one in found["comparisons"]), "")
    if found["left_out"]:
        yield from (f"Without figures on all of them, and left out: {', '.join(found['left_out'])}.", "")


def _ranks(ranks: Ranks) -> Iterator[str]:
    if ranks["reason"]:
        yield from (f"None: {ranks['reason']}.", "")
        return
    yield from ("![average ranks](ranks.svg)", "")
    yield from _table(["method", "average rank"], [[row["name"], f"{row['rank']:.2f}"] for row in ranks["methods"]])
    distance = f"critical difference {ranks['critical_difference']:.2f}"
    yield from (f"{ranks['datasets']} data sets, Friedman's p {_p(ranks['friedman_p'])}, {distance}.", "")
    if ranks["left_out"]:
        yield from (f"Without figures on all of them, and left out: {', '.join(ranks['left_out'])}.", "")


def _worth(rows: Sequence[TextWorth], metric: str) -> Iterator[str]:
    head = [
        *("data set", "best classical", metric, "best semantic", metric, "gain", "p (Holm)", "speaks of"),
        *("over shuffled", "p", "over without text", "p", "text's part of the gain", "rare items found", "classical"),
    ]
    yield from _table(head, [_worth_row(row, metric) for row in rows])
    if told := [(row, llm) for row in rows for llm in row["llm"]]:
        head = ["data set", "method", "over", "gain", "p", "tokens", "gain a million tokens"]
        yield from _table(head, [_llm_row(row, llm) for row, llm in told])


def _worth_row(row: TextWorth, metric: str) -> list[str]:
    base, ours = row["best_classical"], row["best_semantic"]
    gain = ours["versus_best_classical"]
    against = [ours["versus_shuffled"] or {}, ours["versus_without_text"] or {}]
    return [
        *(f"{row['name']}/{row['variant']}", base["name"], _figure(base[metric]), ours["name"], _figure(ours[metric])),
        *(_share(gain["relative"]), _p(gain["p_holm"]), gain["speaks_of"] or ""),
        *(text for one in against for text in (_share(one.get("relative")), _p(one.get("p")))),
        *(_share(ours["text_share"]), _figure(ours["items_rare"]), _figure(base["items_rare"])),
    ]


def _llm_row(row: TextWorth, llm: LLMWorth) -> list[str]:
    gain = llm["versus"]
    return [
        *(f"{row['name']}/{row['variant']}", llm["method"], gain["name"], _share(gain["relative"]), _p(gain["p"])),
        *(f"{llm['tokens']:,}", _share(llm["relative_per_million_tokens"])),
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _run(run: RunAnswer) -> Iterator[str]:
    sizes = ", ".join(f"{count:,} {name}" for name, count in run["sizes"].items())
    yield from (f"{sizes}; best classical method: {run['best_classical'] or 'none finished'}.", "")
    for headline in headlines(run):
        yield from (f"{headline} (By this run alone: p corrected over its own comparisons.)", "")
    head = ["method", "family", "test", "std", "difference", "95% CI", "p (Holm)", "effect", "above", "speaks of"]
    yield from _table(head, [_method(method) for method in run["methods"]])
    for failed in run["failed_methods"]:
        yield from (f"No trial of {failed['name']} finished.", "")


def _method(method: Figures) -> list[str]:
    return [
        *(method["name"], method["family"], _figure(method["test"]), _figure(method["test_std"])),
        *(_figure(method["difference"]), _interval(method["ci95"]), _p(method["p_holm"])),
        *(_figure(method["effect_size"]), "yes" if method["better"] else "", method["speaks_of"] or ""),
    ]


def _interval(ends: Sequence[float | None]) -> str:
    low, high = ends
    return "" if low is None or high is None else f"[{low:+.4f}, {high:+.4f}]"


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


def _p(value: float | None) -> str:
    return "" if value is None else p_in_words(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _table_row(head)
    yield _table_row(["---"] * len(head))
    yield from (_table_row(row) for row in rows)
    yield ""


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Keep a text on its line and in its cell, and from being markup."""
    shown = clean(text).replace("\\", "\\\\")
    for mark in "|<>[]`":
        shown = shown.replace(mark, f"\\{mark}")
    return shown


_TEXTS: Final = ("dataset", "variant", "best_classical", "method", "family", "control_of", "unit", "speaks_of")
_FIGURES: Final = ("test", "test_std", "difference", "relative", "p", "p_holm", "effect_size")
_COUNTS: Final = ("dimensions", "searches", "seeds", "trials", "wins", "ties", "losses")
# What the report's style sheet gives its plots, in its light mode.
_COLOURS: Final = {
    "ink": "#1a1f24",
    "muted": "#56606b",
    "line": "#d5dade",
    "paper": "#ffffff",
    "classical": "#1b5fa8",
    "semantic": "#a8420a",
    "control": "#5c6670",
    "text": "#6a3d9a",
}


def write_outputs(
    workspace: Workspace, answer: StudyAnswer, ranking: Ranking | None, families: Mapping[str, str]
) -> dict[str, str]:
    """Write the files into the study's folder; returns where each lies, by its kind.

    Raises
    ------
    InputError
        When one can't be written.
    """
    texts = {
        "json": ("study.json", json.dumps(answer, indent=1, allow_nan=False)),
        "md": ("study.md", markdown(answer)),
        "worth": ("worth.json", json.dumps({"datasets": answer["text_worth"]}, indent=1, allow_nan=False)),
    }
    if ranking is not None:
        texts["svg"] = ("ranks.svg", standalone(str(rank_diagram(ranking, families))))
    else:
        workspace.delete("ranks.svg")
    for name, text in texts.values():
        write_file(_target(workspace, name), f"{text}\n".encode())
    table = csv_rows(answer)
    write_rows(_target(workspace, "study.csv"), "csv", table.schema, [table])
    files = {kind: name for kind, (name, _) in texts.items()} | {"csv": "study.csv"}
    return {kind: f"{redacted(workspace.uri).rstrip('/')}/{name}" for kind, name in files.items()}


def _target(workspace: Workspace, name: str) -> Target:
    return Target(workspace.filesystem, f"{workspace.root}/{name}", f"{redacted(workspace.uri)}/{name}", "--workspace")


def csv_rows(answer: StudyAnswer) -> pa.Table:
    """Return a row for each method of each run."""
    rows = [_row(run, method) for run in answer["runs"] for method in run["methods"]]
    columns = {name: pa.string() for name in _TEXTS} | {name: pa.int64() for name in _COUNTS}
    columns |= {name: pa.float64() for name in (*_FIGURES, "low", "high")} | {"better": pa.bool_()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()})


def _row(run: RunAnswer, method: Figures) -> Figures:
    low, high = method["ci95"]
    place = {"dataset": run["dataset"], "variant": run["variant"], "best_classical": run["best_classical"]}
    return {**method, **place, "method": method["name"], "low": low, "high": high}


def standalone(svg: str) -> str:
    """Return a plot of the report as a file of its own, with the colours and fonts that the page would give it."""
    style = "; ".join(f"--{name}: {colour}" for name, colour in _COLOURS.items())
    return svg.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{style}; font-family: sans-serif" ', 1)
