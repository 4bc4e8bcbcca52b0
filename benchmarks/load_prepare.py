# ruff: noqa: INP001 - a script beside the package
"""Load and prepare 10^7 interactions: `hnlm stage prepare` from a CSV file to k-core, index and split.

    python benchmarks/load_prepare.py                        # 10^7 rows, best of 3 (a few minutes)
    python benchmarks/load_prepare.py --quick --json-out speed.json

Seconds go from the start of the process to its end: Python, Ray's start and stop and each stage's writing are in.
Memory has a run of its own, since looking at it slows what it looks at. It is the sum of the proportional set sizes
(PSS) of the process and all that it starts, sampled five times a second: a page that several processes share, as Ray's
object store is, counts once.
The peer is pandas in one process: `read_csv`, one row a pair, the k-core by repeated `groupby`, ids as categories.
It neither checks lines nor splits nor writes, and is measured the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import csv

TARGET_ROWS_PER_S, TARGET_GIB = 200_000, 4.0
SAMPLE_EVERY_S = 0.2
CONFIG = """
name: load-prepare
workspace: {root}/workspace
source:
  format: table
  interactions:
    path: {root}/interactions.csv
    columns: {{user: user, item: item, rating: rating, timestamp: timestamp}}
llm: {{engine: scripted}}
"""
PEER = """
import sys
import pandas as pd
rows = pd.read_csv(sys.argv[1])
rows = rows.sort_values(["timestamp", "rating"]).drop_duplicates(["user", "item"], keep="last")
while True:
    kept = rows[rows.groupby("user")["item"].transform("size") >= 5]
    kept = kept[kept.groupby("item")["user"].transform("size") >= 5]
    if len(kept) == len(rows):
        break
    rows = kept
codes = {name: rows[name].astype("category").cat.codes for name in ("user", "item")}
print(len(rows), codes["user"].max() + 1, codes["item"].max() + 1)
"""


def write_interactions(path: Path, rows: int, seed: int = 7) -> None:
    """Write text ids, a rating and a time a row: rows/20 users, rows/100 items of Zipf popularity."""
    draw = np.random.default_rng(seed)
    users, items = max(rows // 20, 50), max(rows // 100, 50)
    popularity = np.cumsum(1 / np.arange(1, items + 1) ** 0.9)
    chosen = np.searchsorted(popularity / popularity[-1], draw.random(rows))
    columns = {
        "user": pa.array([f"u{n}" for n in range(users)]).take(pa.array(draw.integers(0, users, rows))),
        "item": pa.array([f"i{n}" for n in range(items)]).take(pa.array(np.minimum(chosen, items - 1))),
        "rating": draw.integers(1, 6, rows),
        "timestamp": draw.integers(1_300_000_000, 1_600_000_000, rows),
    }
    csv.write_csv(pa.table(columns), path, csv.WriteOptions(quoting_style="none"))


class Usage:
    """CPU seconds and the largest memory of a process and all that it starts."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._seconds: dict[tuple[int, float], float] = {}
        self.peak_gib = 0.0

    @property
    def cpu_s(self) -> float:
        """User and system seconds of all processes, as each was last seen."""
        return sum(self._seconds.values())

    def sample(self, *, memory: bool) -> None:
        """Look once; a process that ends meanwhile counts as it was seen before."""
        total = 0
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return
        for one in family:
            try:
                times = one.cpu_times()
                self._seconds[one.pid, one.create_time()] = times.user + times.system
                total += one.memory_full_info().pss if memory else 0
            except psutil.Error:
                continue
        self.peak_gib = max(self.peak_gib, total / 2**30)


def measured(command: list[str], *, memory: bool) -> dict[str, float]:
    """Run a command; return wall seconds, CPU seconds and, if asked for, peak GiB of its process tree."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the commands of this file
    usage = Usage(psutil.Process(process.pid))
    while process.poll() is None:
        usage.sample(memory=memory)
        time.sleep(SAMPLE_EVERY_S)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}: its message is above")
    return {"wall_s": time.perf_counter() - started, "cpu_s": usage.cpu_s, "peak_gib": usage.peak_gib}


def own_run(root: Path, *, memory: bool) -> dict[str, float]:
    """Run `hnlm stage prepare` in a fresh workspace."""
    shutil.rmtree(root / "workspace", ignore_errors=True)
    config = root / "config.yaml"
    config.write_text(CONFIG.format(root=root), encoding="utf-8")
    return measured([sys.executable, "-m", "hnlm_ray.cli", "stage", "prepare", "--config", str(config)], memory=memory)


def peer_run(root: Path, *, memory: bool) -> dict[str, float]:
    """Run pandas on the same file."""
    return measured([sys.executable, "-c", PEER, str(root / "interactions.csv")], memory=memory)


def rows_of(rows: int, ours: list[dict[str, float]], peer: list[dict[str, float]]) -> list[dict[str, object]]:
    """Return the comparison: the best run of each side; the last run of each was for memory."""
    wall = {side: min(run["wall_s"] for run in runs) for side, runs in (("ours", ours[:-1]), ("theirs", peer[:-1]))}
    cpu = {side: min(run["cpu_s"] for run in runs) for side, runs in (("ours", ours[:-1]), ("theirs", peer[:-1]))}
    peak = {side: max(run["peak_gib"] for run in runs) for side, runs in (("ours", ours), ("theirs", peer))}
    rate = {side: rows / seconds for side, seconds in wall.items()}
    same = {"work": f"load and prepare {rows:,} interactions", "peer": "pandas", "runs": {"ours": ours, "theirs": peer}}
    return [
        same | rate | {"unit": "rows/s of wall time", "ratio": _ratio(rate), "target": f">= {TARGET_ROWS_PER_S:,}"},
        same | cpu | {"unit": "CPU seconds", "ratio": 1 / _ratio(cpu), "target": None},
        same | peak | {"unit": "GiB at most", "ratio": 1 / _ratio(peak), "target": f"< {TARGET_GIB:g}"},
    ]


def _ratio(both: dict[str, float]) -> float:
    return both["ours"] / both["theirs"]


def markdown(rows: list[dict[str, object]]) -> str:
    """Write the comparison as a table."""
    lines = ["| work | | hnlm | pandas | times better | target |", "|---|---|---|---|---|---|"]
    for row in rows:
        figures = [f"{row[side]:,.4g}" if row[side] < 1000 else f"{row[side]:,.0f}" for side in ("ours", "theirs")]
        lines.append(
            f"| {row['work']} | {row['unit']} | {' | '.join(figures)} | {row['ratio']:.2f} | {row['target'] or ''} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument(
        "--quick", action="store_true", help="200,000 rows, once: whether it works, no figures to quote"
    )
    options = parser.parse_args()
    rows, runs = (200_000, 1) if options.quick else (options.rows, options.runs)
    with tempfile.TemporaryDirectory(prefix="load-prepare-") as folder:
        root = Path(folder)
        write_interactions(root / "interactions.csv", rows)
        timed = [False] * runs + [True]  # the last run is for memory
        ours = [own_run(root, memory=memory) for memory in timed]
        peer = [peer_run(root, memory=memory) for memory in timed]
    compared = rows_of(rows, ours, peer)
    print(markdown(compared))
    if options.json_out:
        machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "load": os.getloadavg()[0]}
        versions = {name: version(name) for name in ("hnlm_ray", "ray", "pyarrow", "numpy", "pandas")}
        report = {"machine": machine, "versions": versions, "rows": compared}
        options.json_out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
