"""The rows of ``hnlm status``: where each stage stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.text import clean, duration, redacted
from hnlm_ray.llm.text.objects import REPAIRED
from hnlm_ray.pipeline.status import StageStatus, State
from hnlm_ray.plan.figures import Promise
from hnlm_ray.prepare.filter import notes_of, warnings_of
from hnlm_ray.workspace import Manifest, Rows, Tokens, Workspace
from hnlm_ray.workspace.stage import chunks_of

Figure = TypeVar("Figure")
TokenCounts = TypedDict("TokenCounts", {"in": int, "out": int})
"""Tokens read and written."""
_STYLES = {"fresh": "green", "stale": "yellow", "partial": "yellow", "running": "cyan", "missing": "dim"}
_COUNTED = ("status", "error", "tokens_in", "tokens_out")
_DONE = ("ok", "none", "pruned")


class RowCounts(TypedDict):
    """Rows of a table; ``todo`` is null where nobody has counted them yet."""

    ok: int
    none: int
    failed: int
    todo: int | None


class Foreseen(TypedDict):
    """What ``hnlm plan`` foresaw of a stage."""

    tokens: TokenCounts | None
    seconds: float | None


class Made(TypedDict):
    """What a stage has made; of ``repaired`` rows the answer was mended (``llm.repair_json``)."""

    rows: RowCounts
    repaired: int
    failed_by_reason: Mapping[str, int]
    tokens: TokenCounts


class StageCost(Made):
    """What a stage has made, and what that took."""

    seconds: float


class StageRow(StageCost):
    """A stage as ``hnlm status --json`` prints it."""

    name: str
    state: State
    reason: str
    planned: Foreseen | None
    outputs: list[str]
    warnings: list[str]
    notes: list[str]


def told_of(manifest: Manifest) -> tuple[list[str], list[str]]:
    """Return what a stage's table warns about, and what else it tells of its rows."""
    warnings = warnings_of(manifest.stage, manifest.counts, manifest.depends_on)
    return warnings, notes_of(manifest.counts, manifest.depends_on) if manifest.stage == "prepare" else []


def row_counts(rows: Rows) -> RowCounts:
    """Return a manifest's rows."""
    return {"ok": rows.ok, "none": rows.none, "failed": rows.failed, "todo": rows.todo}


def token_counts(tokens: Tokens) -> TokenCounts:
    """Return a manifest's tokens."""
    return {"in": tokens.tokens_in, "out": tokens.tokens_out}


def stage_row(status: StageStatus, workspace: Workspace, promise: Promise | None = None) -> StageRow:
    """Describe a stage for programs.

    ``rows`` speaks of the table that the configuration asks for: published, in the making, or none
    yet; ``repaired`` of them have an answer that was mended (``llm.repair_json``). ``todo`` is null where nobody has
    counted yet. ``planned`` is what `hnlm plan` foresaw of this very work. ``warnings`` say what took more than a fifth
    of the data, ``notes`` what else became of rows.
    """
    fresh = status.manifest if status.state == "fresh" else None
    warnings, notes = told_of(fresh) if fresh is not None else ([], [])
    return {
        "name": status.stage.name,
        "state": status.state,
        "reason": redacted(status.reason),
        **_cost(status, workspace),
        "planned": _planned(status, promise),
        "outputs": list(status.stage.outputs),
        "warnings": warnings,
        "notes": notes,
    }


def _planned(status: StageStatus, promise: Promise | None) -> Foreseen | None:
    if promise is None or promise.fingerprint != status.fingerprint:
        return None
    tokens = None if promise.tokens is None else token_counts(promise.tokens)
    return {"tokens": tokens, "seconds": promise.seconds}


def _cost(status: StageStatus, workspace: Workspace) -> StageCost:
    manifest, journal = status.manifest, status.journal
    if status.state == "fresh" and manifest is not None:
        return {
            "rows": row_counts(manifest.rows),
            "repaired": _repaired(manifest),
            "failed_by_reason": manifest.failed_by_reason,
            "tokens": token_counts(manifest.tokens),
            "seconds": manifest.seconds,
        }
    return {**_so_far(status, workspace), "seconds": journal.seconds if journal else 0.0}


def _repaired(manifest: Manifest) -> int:
    count = manifest.counts.get("answers_repaired")
    return count if isinstance(count, int) else 0


def _so_far(status: StageStatus, workspace: Workspace) -> Made:
    """Count the finished chunks of a stage that is interrupted or at work."""
    counted, repaired, tokens = _chunks(status, workspace)
    failed = {name: count for name, count in counted.items() if name not in _DONE}
    total = status.journal.total if status.journal else None
    done = counted.total() or status.done_rows or (status.journal.done if status.journal else 0)
    rows: RowCounts = {
        "ok": done - counted["none"] - sum(failed.values()),
        "none": counted["none"],
        "failed": sum(failed.values()),
        "todo": None if total is None else max(0, total - done),
    }
    return {"rows": rows, "repaired": repaired, "failed_by_reason": failed, "tokens": tokens}


def _chunks(status: StageStatus, workspace: Workspace) -> tuple[Counter[str], int, TokenCounts]:
    store = workspace.table(status.stage.outputs[0])
    if not (status.stage.resumes and status.done_rows and "status" in store.schema.names):
        return Counter(), 0, {"in": 0, "out": 0}
    columns = [name for name in _COUNTED if name in store.schema.names]  # CF trainings take no tokens
    try:
        rows = store.read_parts(store.parts(chunks_of(status.target)), columns).to_pydict()
    except FileNotFoundError:  # the run that is at work has just published the table and removed its chunks
        return Counter(), 0, {"in": 0, "out": 0}
    tokens: TokenCounts = {"in": sum(rows.get("tokens_in", ())), "out": sum(rows.get("tokens_out", ()))}
    return Counter(rows["status"]), rows.get("error", []).count(REPAIRED), tokens


def rows_text(rows: RowCounts) -> str:
    """Write counts of rows, leaving out what is zero."""
    others = {"none": rows["none"], "failed": rows["failed"], "todo": rows["todo"]}
    return ", ".join([f"{rows['ok']} ok", *(f"{count} {name}" for name, count in others.items() if count)])


def _rows_and_repaired(row: Made) -> str:
    return rows_text(row["rows"]) + (f" ({row['repaired']} repaired)" if row["repaired"] else "")


def tokens_text(tokens: TokenCounts) -> str:
    """Write tokens read and written."""
    return f"{tokens['in']:,} in, {tokens['out']:,} out" if tokens["in"] or tokens["out"] else ""


def _time_text(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def _beside(write: Callable[[Figure], str], figure: Figure, promised: Figure | None, *, planned: bool) -> list[str]:
    """Write a figure, and beside it what was planned, if any stage has a plan."""
    return [write(figure), *([write(promised) if promised else ""] if planned else [])]


def show_status(console: Console, workspace: str, rows: Sequence[StageRow]) -> None:
    """Print the table of stages."""
    planned = any(row["planned"] for row in rows)
    columns = ("tokens", "planned", "time", "planned") if planned else ("tokens", "time")
    table = Table("stage", "state", "rows", *columns, "why", box=None, pad_edge=False)
    for row in rows:
        foreseen: Foreseen = row["planned"] or {"tokens": None, "seconds": None}
        started = row["state"] == "fresh" or row["rows"]["ok"] or row["rows"]["failed"]
        table.add_row(
            row["name"],
            Text(row["state"], style=_STYLES[row["state"]]),
            _rows_and_repaired(row) if started else "",
            *_beside(tokens_text, row["tokens"], foreseen["tokens"], planned=planned),
            *_beside(_time_text, row["seconds"], foreseen["seconds"], planned=planned),
            Text(clean(row["reason"])),
        )
    console.print(Text(f"workspace {clean(workspace)}"))
    console.print(table)
    for row in rows:
        for kind, told in (("warning", row["warnings"]), ("note", row["notes"])):
            for sentence in told:
                console.print(Text(f"{kind}: {row['name']}: {clean(sentence)}"))
