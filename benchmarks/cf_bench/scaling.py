"""What a training of some size takes: seconds and memory, each model in a process of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cf_bench.datasets import power_law_pairs, write_pairs
from cf_bench.report import Row, number, row_of
from cf_bench.workers import own_worker

RANKED_USERS: Final = 1000
STEPS: Final = 50
"""Steps of a LightGCN epoch at every size: each step passes over the whole graph, so that an epoch of batches of one
size would grow with the square of the interactions."""
TIMED_STEPS: Final = 3
LINEAR: Final = 1.15
"""The largest exponent of growth that counts as linear: 1.4 times the cost a row for ten times the rows."""
MOST_GIB: Final = 8.0
COLUMNS: Final = {
    "open_s": "read and build, s",
    "sampling_s": "draw an epoch's triples, s",
    "mf_s": "MF epoch, s",
    "lightgcn_s": "LightGCN epoch, s",
    "rank_s": f"rank {RANKED_USERS} users, s",
    "mf_mib": "peak MF, MiB",
    "lightgcn_mib": "peak LightGCN, MiB",
}


def measure(rows: int, dim: int, root: Path) -> dict[str, Any]:
    """Return the figures of a power-law data set of up to ``rows`` interactions: rows/10 users, rows/100 items."""
    users, items = rows // 10, rows // 100
    folder = root / str(rows)
    pairs = power_law_pairs(rows, users, items)
    write_pairs(folder, (users, items), train=pairs)
    size = {"rows": len(pairs[0]), "users": users, "items": items}
    del pairs
    return size | _of_mf(folder, dim) | _of_lightgcn(folder, dim, size["rows"])


def _of_mf(folder: Path, dim: int) -> dict[str, Any]:
    settings = {"model": "mf", "dim": dim, "validation": "none"}
    with own_worker() as worker:
        opened = worker.ask("open", folder=str(folder), settings=settings)
        worker.ask("train", batches=1)
        return {
            "open_s": opened["cpu_s"],
            "sampling_s": worker.ask("sample")["cpu_s"],
            "mf_s": worker.ask("train", batches=None)["cpu_s"],
            "rank_s": worker.ask("rank_some", users=RANKED_USERS)["cpu_s"],
            "mf_mib": worker.ask("memory")["peak_mib"],
        }


def _of_lightgcn(folder: Path, dim: int, rows: int) -> dict[str, Any]:
    settings = {"model": "lightgcn", "dim": dim, "layers": 3, "validation": "none", "batch_size": -(-rows // STEPS)}
    with own_worker() as worker:
        worker.ask("open", folder=str(folder), settings=settings)
        run = worker.ask("train", batches=TIMED_STEPS)
        return {
            "lightgcn_s": run["cpu_s"] / run["pairs"] * rows,
            "lightgcn_mib": worker.ask("memory")["peak_mib"],
        }


def sizes_table(found: Sequence[dict[str, Any]]) -> str:
    """Write a line a size."""
    lines = [
        "| interactions | users | items | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (3 + len(COLUMNS)) + "|",
    ]
    for one in found:
        size = [f"{one[name]:,}" for name in ("rows", "users", "items")]
        lines.append("| " + " | ".join([*size, *(number(one[name]) for name in COLUMNS)]) + " |")
    return "\n".join(lines)


def exponent(first: dict[str, Any], last: dict[str, Any], name: str) -> float:
    """Return p where a figure grows as interactions^p."""
    return math.log(last[name] / first[name]) / math.log(last["rows"] / first["rows"])


def growth_rows(found: Sequence[dict[str, Any]], dim: int, *, judged: bool) -> list[Row]:
    """Compare growth between the two largest sizes with a linear one, and the largest peak with the limit."""
    first, last = found[-2:]
    rows = []
    for name, title in COLUMNS.items():
        grown = exponent(first, last, name)
        row = row_of(
            f"{title.rpartition(',')[0]}: growth with the interactions",
            "linear",
            grown,
            1.0,
            unit="exponent",
            runs=[one[name] for one in found],
        )
        rows.append(row | ({"target": f"<= {LINEAR}", "met": grown <= LINEAR} if judged else {}))
    peak = max(last["mf_mib"], last["lightgcn_mib"]) / 1024
    row = row_of(f"peak memory at {last['rows']:,} interactions, d {dim}", "the limit", peak, MOST_GIB, unit="GiB")
    return [*rows, row | ({"target": f"< {MOST_GIB:g}", "met": peak < MOST_GIB} if judged else {})]
