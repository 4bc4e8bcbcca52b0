# ruff: noqa: INP001 - a script beside the package
"""What the frame of an LLM stage costs: `hnlm stage item_profiles` with an engine that answers at once.

    python benchmarks/llm_frame.py                           # 10,000 and 100,000 rows
    python benchmarks/llm_frame.py --quick --json-out frame.json

All that is left is ours and Ray's: prompts, chunks, markers, parsing, parts, counting. Seconds are the stage's own (its
manifest's): the start of the engines' processes is in, the start of Ray is not. Memory is the largest resident set of
the driver's process. CPU seconds are those of the whole command: of the driver, of Ray's workers (tasks and engines)
and of Ray's own servers, each as it was last seen (ten times a second).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import psutil

from hnlm_ray.workspace import Workspace

TARGET_ROWS_PER_S, TARGET_GROWTH = 2_000, 1.1
CORES = 2
TARGET_CPU_S = 1000 * CORES / TARGET_ROWS_PER_S
"""CPU seconds per 1,000 rows at which that many cores, if idle, keep the target."""
SAMPLE_EVERY_S = 0.1
ITEMS_PER_USER = 20
CONFIG = """
name: llm-frame
workspace: {root}/workspace
source:
  format: table
  interactions: {{path: {root}/interactions.csv, columns: {{user: user, item: item}}}}
  items: {{path: {root}/items.csv, columns: {{item: item, title: title, text: [text]}}}}
prepare: {{user_core: 1, item_core: 1}}
llm: {{engine: scripted, batch_rows: {batch_rows}, engines: {engines}}}
"""


def write_items(root: Path, rows: int, batch_rows: int, engines: int) -> Path:
    """Write so many items, each with one interaction; returns the configuration's path."""
    items = [f"i{n},The {n}th Title,What is told of item {n} in a sentence or two.\n" for n in range(rows)]
    (root / "items.csv").write_text("item,title,text\n" + "".join(items), encoding="utf-8")
    pairs = [f"u{n // ITEMS_PER_USER},i{n}\n" for n in range(rows)]
    (root / "interactions.csv").write_text("user,item\n" + "".join(pairs), encoding="utf-8")
    config = root / "config.yaml"
    config.write_text(CONFIG.format(root=root, batch_rows=batch_rows, engines=engines), encoding="utf-8")
    return config


def hnlm(stage: str, config: Path) -> list[str]:
    """Return the command of one stage."""
    return [sys.executable, "-m", "hnlm_ray.cli", "stage", stage, "--config", str(config)]


class Usage:
    """CPU seconds of a driver, of Ray's workers and of Ray's servers, and the driver's largest resident set."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._seconds: dict[tuple[str, int, float], float] = {}
        self.driver_mib = 0.0

    def sample(self) -> None:
        """Look once; a process that ends meanwhile counts as it was seen before."""
        try:
            self.driver_mib = max(self.driver_mib, self._process.memory_info().rss / 2**20)
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return
        for one in family:
            try:
                times = one.cpu_times()
                self._seconds[self._role(one), one.pid, one.create_time()] = times.user + times.system
            except psutil.Error:
                continue

    def _role(self, process: psutil.Process) -> str:
        if process.pid == self._process.pid:
            return "driver"
        command = " ".join(process.cmdline())
        return "workers" if command.startswith("ray::") or "default_worker.py" in command else "servers"

    @property
    def cpu_s(self) -> Counter[str]:
        """CPU seconds by role; a worker is first seen under another name, so the larger figure counts."""
        latest: dict[tuple[int, float], tuple[float, str]] = {}
        for (role, *process), seconds in self._seconds.items():
            latest[tuple(process)] = max(latest.get(tuple(process), (0.0, role)), (seconds, role))
        total: Counter[str] = Counter()
        for seconds, role in latest.values():
            total[role] += seconds
        return total


def measured(rows: int, batch_rows: int, engines: int) -> dict[str, float]:
    """Write profiles of so many items in a fresh workspace."""
    with tempfile.TemporaryDirectory(prefix="llm-frame-") as folder:
        root = Path(folder)
        config = write_items(root, rows, batch_rows, engines)
        subprocess.run(hnlm("prepare", config), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - of this file
        started = time.perf_counter()
        process = subprocess.Popen(hnlm("item_profiles", config), stdout=subprocess.DEVNULL)  # noqa: S603
        usage = Usage(psutil.Process(process.pid))
        while process.poll() is None:
            usage.sample()
            time.sleep(SAMPLE_EVERY_S)
        wall_s = time.perf_counter() - started
        if process.returncode:
            sys.exit(f"the stage ended with {process.returncode}: its message is above")
        seconds = Workspace.open(str(root / "workspace")).table("item_profiles").published().seconds
    seconds_of = {f"{role}_": cpu_s for role, cpu_s in sorted(usage.cpu_s.items())} | {"": usage.cpu_s.total()}
    per_thousand = {f"{role}cpu_s_per_1000": 1000 * cpu_s / rows for role, cpu_s in seconds_of.items()}
    figures = {"rows": rows, "rows_per_s": rows / seconds, "stage_s": seconds, "wall_s": wall_s}
    return figures | {"driver_mib": usage.driver_mib} | per_thousand


def markdown(runs: list[dict[str, float]]) -> str:
    """Write the runs as a table."""
    names = list(runs[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for run in runs:
        figures = [f"{run[name]:,.3g}" if run[name] < 100 else f"{run[name]:,.0f}" for name in names]
        lines.append(f"| {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--batch-rows", type=int, default=32, help="llm.batch_rows")
    parser.add_argument("--engines", type=int, default=1, help="llm.engines")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="few rows: whether it works, no figures to quote")
    options = parser.parse_args()
    counts = [500, 2_000] if options.quick else options.rows
    runs = [measured(rows, options.batch_rows, options.engines) for rows in counts]
    print(markdown(runs))
    growth = runs[-1]["driver_mib"] / runs[0]["driver_mib"]
    print(f"the driver's memory grew {growth:.2f} times (target: at most {TARGET_GROWTH:g})")
    print(f"{runs[-1]['rows_per_s']:,.0f} rows/s (target on {CORES} idle cores: at least {TARGET_ROWS_PER_S:,})")
    print(f"{runs[-1]['cpu_s_per_1000']:.2f} CPU seconds per 1,000 rows (target: at most {TARGET_CPU_S:g})")
    if options.json_out:
        machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "load": os.getloadavg()[0]}
        versions = {name: version(name) for name in ("hnlm_ray", "ray", "pyarrow")}
        report = {"machine": machine, "versions": versions, "rows": runs, "driver_growth": growth}
        options.json_out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
