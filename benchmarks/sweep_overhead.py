# ruff: noqa: INP001 - a script beside the package
"""What a sweep costs beside its trainings: Ray Tune against a loop written by hand.

    python benchmarks/sweep_overhead.py --json-out sweep.json --markdown docs/benchmarks.md
    python benchmarks/sweep_overhead.py --quick        # a dozen trials: whether it works, nothing to quote

Both sides train the same configurations of MF (BPR, uniform negatives) on synthetic data of MovieLens 100K's size, 20
epochs each with an evaluation after every one, on one thread a training. The loop has as many processes as the sweep
has trials at a time, and keeps nothing. CPU seconds are those of all processes: the driver, Ray's servers and its
workers, from the start of Python to its end, so that the start of Ray and every import are in.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cf_bench.process_cpu import measure
from cf_bench.report import compare, machine, publish, section, write_json

TARGET = 1.15
NEVER_STOPS = {"stopping": "median", "grace_epochs": 10_000}
WORKS: dict[str, tuple[int, dict[str, Any]]] = {
    "one trial at a time": (1, {}),
    "two trials at a time": (2, {}),
    "two at a time, every epoch reported to a stopping rule that stops none": (2, NEVER_STOPS),
}


def main() -> None:
    """Measure and print."""
    options = parse()
    place = machine()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    rows = [row_of_work(name, options) for name in options.only or WORKS]
    report = {"machine": place, "versions": {"ours": {name: version(name) for name in ("ray", "torch")}}, "rows": rows}
    publish("sweep_overhead", section("Sweep", report, notes_of(options)), options.markdown)
    write_json(report | {"notes": notes_of(options)}, options.json_out)


def row_of_work(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure both sides of one work in turn."""
    concurrent, tune = WORKS[name]
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for _ in range(options.repeats):
        for side, command in (("theirs", "loop"), ("ours", "sweep")):
            with tempfile.TemporaryDirectory(prefix="sweep-overhead-") as folder:
                asked = {"trials": options.trials, "epochs": options.epochs, "concurrent": concurrent, "tune": tune}
                asked |= {"workspace": f"{folder}/workspace", "ray_cpus": options.ray_cpus}
                runs[side].append(measure([sys.executable, "-m", "cf_bench.sweep_sides", command, json.dumps(asked)]))
    target = None if options.quick else 1 / TARGET
    return compare(
        f"{options.trials} trials, {name}", "a loop", runs, lambda run: run["cpu_s"], unit="CPU s", target=target
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ray-cpus", type=int, default=4, help="ray.cpus: how many idle workers Ray starts with")
    parser.add_argument("--only", nargs="+", choices=tuple(WORKS), help="these works alone")
    parser.add_argument("--quick", action="store_true", help="12 trials of 3 epochs, no target")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the table into this page")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.epochs = 12, 3
    return options


def notes_of(options: argparse.Namespace) -> list[str]:
    """Say what one must know to read the figures."""
    return [
        f"MF, BPR, d 64, {options.epochs} epochs with an evaluation after each; 943 users, 1,682 items, synthetic.",
        "CPU seconds of all processes from start to end: the start of Ray (a few seconds) and all imports are in.",
        f"The ratio is the loop's seconds over the sweep's; the target: at most {TARGET:g} times the loop's.",
        "The loop keeps nothing; the sweep writes every trial's row, its curve and where it stands.",
    ]


if __name__ == "__main__":
    main()
