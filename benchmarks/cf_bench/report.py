"""Rows, medians, Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]
Run = dict[str, Any]
Runs = dict[str, list[Run]]


def compare(
    work: str,
    peer: str,
    runs: dict[str, list[Run]],
    figure: Callable[[Run], float],
    *,
    unit: str,
    target: float | None = None,
    more_is_better: bool = False,
) -> Row:
    """Return a row from the medians of both sides' runs (keys ``ours`` and ``theirs``).

    ``target`` is the least ratio; a ratio above 1 means that we are better.
    """
    ours, theirs = (median(figure(run) for run in runs[side]) for side in ("ours", "theirs"))
    return row_of(work, peer, ours, theirs, unit=unit, target=target, runs=runs, more_is_better=more_is_better)


def row_of(
    work: str,
    peer: str,
    ours: float,
    theirs: float | None,
    *,
    unit: str,
    target: float | None = None,
    least: float | None = None,
    runs: object = None,
    more_is_better: bool = False,
) -> Row:
    """Return a row; ``target`` is the least ratio, ``least`` the least figure of ours.

    Without ``theirs`` there is no ratio.
    """
    ratio = None if theirs is None else ours / theirs if more_is_better else theirs / ours
    wanted = f">= {least:g}" if least is not None else None if target is None else f">= {target:.3g}x"
    met = ours >= least if least is not None else None if target is None or ratio is None else ratio >= target
    return {
        "work": work,
        "peer": peer,
        "ours": ours,
        "theirs": theirs,
        "unit": unit,
        "ratio": ratio,
        "target": wanted,
        "met": met,
        "runs": runs,
    }


def number(value: float | None) -> str:
    """Write a figure with four digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    lines = ["| work | against | ours | theirs | unit | ratio | target | met |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        met = {None: "", True: "yes", False: "**no**"}[row["met"]]
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        cells = [row["work"], row["peer"], number(row["ours"]), number(row["theirs"]), row["unit"], ratio]
        lines.append("| " + " | ".join([*cells, row["target"] or "", met]) + " |")
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Describe the machine in words that name nobody: processor, cores, memory, load."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def section(title: str, report: dict[str, Any], notes: Sequence[str], *, above: str = "") -> str:
    """Write one script's part of the page: where it ran, the table, what one must know to read it."""
    place = report["machine"]
    where = (
        f"{place['date']}, {place['processor']}, {place['cpus']} cores, {place['memory_gib']} GiB, "
        f"Python {place['python']}, load at the start {place['load']}."
    )
    lines = [
        f"## {title}",
        "",
        where,
        "",
        *([above, ""] if above else []),
        table(report["rows"]),
        "",
        *(f"- {note}" for note in notes),
        *(f"- {side}: " + ", ".join(f"{k} {v}" for k, v in own.items()) for side, own in report["versions"].items()),
    ]
    return "\n".join(lines)


def update_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of ``name`` in a Markdown file; at its end where there are none yet."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    block = f"{start}\n{text}\n{end}"
    before, found, rest = page.partition(start)
    if found and end in rest:
        page = before + block + rest.partition(end)[2]
    else:
        page = page.rstrip("\n") + "\n\n" + block + "\n"
    path.write_text(page, encoding="utf-8")


def publish(name: str, text: str, markdown: Path | None) -> None:
    """Print a section and, where asked for, put it into a page."""
    sys.stdout.write(text + "\n\n")
    sys.stdout.flush()
    if markdown:
        update_section(markdown, name, text)


def write_json(report: dict[str, Any], path: Path | None) -> None:
    """Write a report where asked for."""
    if path:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
