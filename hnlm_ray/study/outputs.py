"""The files of a study: study.json, study.md, study.csv and the diagram of its ranks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from hnlm_ray.base.redaction import redacted
from hnlm_ray.compare.ranks import Ranking
from hnlm_ray.export.files import Target, write_file, write_rows
from hnlm_ray.report.plots.ranks import rank_diagram
from hnlm_ray.study.claims.answer import Figures, RunAnswer, StudyAnswer
from hnlm_ray.study.markdown import markdown
from hnlm_ray.workspace import Workspace

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
