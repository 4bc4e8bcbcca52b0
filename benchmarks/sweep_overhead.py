# ruff: noqa: INP001 - a script beside the package
"""What a sweep costs beside its trainings: Ray Tune against a loop written by hand.

    python benchmarks/sweep_overhead.py --json-out sweep.json --markdown docs/benchmarks.md
    python benchmarks/sweep_overhead.py --quick        # a dozen trials: whether it works, nothing to quote

Both sides train the same configurations of MF (BPR, uniform negatives) on synthetic data of MovieLens 100K's size, 20
epochs each with an evaluation after every one, on one thread a training. The loop has as many processes as the sweep
has trials at a time, and keeps nothing. CPU seconds are those of all processes: the driver, Ray's servers and its
workers, from the start of Python to its end, so that the start of Ray and every import are in.

While a sweep runs, notes are taken of what its driver and its workers hold in memory of their own, and of when trials
begin and end. One more sweep, of a few trials, has text beside the data: do workers hold a copy?
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cf_bench.process_cpu import measure
from cf_bench.report import Row, compare, machine, publish, row_of, section, write_json
from cf_bench.sweep_watch import Note, read_notes, seen_rows

TARGET = 1.15
NEVER_STOPS = {"stopping": "median", "grace_epochs": 10_000}
WORKS: dict[str, tuple[int, dict[str, Any]]] = {
    "one trial at a time": (1, {}),
    "two trials at a time": (2, {}),
    "two at a time, every epoch reported to a stopping rule that stops none": (2, NEVER_STOPS),
}


TEXT_MIB = 300
DATA = "data in the object store"


def main() -> None:
    """Measure and print."""
    options = parse()
    place = machine()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    names = options.only or [*WORKS, DATA]
    rows = [row for name in names for row in (data_rows(options) if name == DATA else rows_of_work(name, options))]
    report = {"machine": place, "versions": {"ours": {name: version(name) for name in ("ray", "torch")}}, "rows": rows}
    publish("sweep_overhead", section("Sweep", report, notes_of(options)), options.markdown)
    write_json(report | {"notes": notes_of(options)}, options.json_out)


def rows_of_work(name: str, options: argparse.Namespace) -> list[Row]:
    """Measure both sides of one work in turn."""
    concurrent, tune = WORKS[name]
    asked = {"trials": options.trials, "epochs": options.epochs, "concurrent": concurrent, "tune": tune}
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    with ThreadPoolExecutor(2 if options.together else 1) as pool:
        for _ in range(options.repeats):
            (theirs, _), (ours, notes) = pool.map(lambda side: run_side(side, asked, options), ("loop", "sweep"))
            runs["theirs"].append(theirs)
            runs["ours"].append(ours)
    target = None if options.quick else 1 / TARGET
    work = f"{options.trials} trials, {name}"
    row = compare(work, "a loop", runs, lambda run: run["cpu_s"], unit="CPU s", target=target)
    return [row, *seen_rows(work, notes, judged=not options.quick)]


def data_rows(options: argparse.Namespace) -> list[Row]:
    """Compare what workers hold with and without text beside the data."""
    asked = {"trials": 8, "epochs": 2, "concurrent": 2, "tune": {}}
    without, beside = (run_side("sweep", asked | {"text_mib": mib}, options)[1] for mib in (0, TEXT_MIB))
    own = [max(note["own_mib"] for note in notes if note["event"] == "end") for notes in (beside, without)]
    copied = max(note["copied_mib"] for note in beside if note["event"] == "end")
    work = f"own memory of the larger of 2 workers, {TEXT_MIB} MiB of text beside the data, {copied:g} MiB of it copied"
    return [row_of(work, "without text", *own, unit="MiB", target=None if options.quick else 1 / 1.1)]


def run_side(side: str, asked: dict[str, Any], options: argparse.Namespace) -> tuple[dict[str, float], list[Note]]:
    """Run a side in a folder of its own; returns its CPU seconds, and the notes that it took."""
    with tempfile.TemporaryDirectory(prefix="sweep-overhead-") as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        own = {"workspace": f"{folder}/workspace", "ray_cpus": options.ray_cpus, "notes": str(notes), "text_mib": 0}
        run = measure([sys.executable, "-m", "cf_bench.sweep_sides", side, json.dumps(own | asked)])
        return run, read_notes(notes)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--together", action="store_true", help="both sides at the same time: what else runs then slows both alike"
    )
    parser.add_argument("--ray-cpus", type=int, default=4, help="ray.cpus: how many idle workers Ray starts with")
    parser.add_argument("--only", nargs="+", choices=(*WORKS, DATA), help="these works alone")
    parser.add_argument("--quick", action="store_true", help="12 trials of 3 epochs, no target")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the table into this page")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.epochs = 12, 3
    return options


def notes_of(options: argparse.Namespace) -> list[str]:
    """Say what one must know to read the figures."""
    order = "at the same time" if options.together else "one after the other"
    return [
        f"Both sides ran {order}.",
        f"MF, BPR, d 64, {options.epochs} epochs with an evaluation after each; 943 users, 1,682 items, synthetic.",
        "CPU seconds of all processes from start to end: the start of Ray (a few seconds) and all imports are in.",
        f"The ratio is the loop's seconds over the sweep's; the target: at most {TARGET:g} times the loop's.",
        "The loop keeps nothing; the sweep writes every trial's row, its curve and where it stands.",
        "Own memory: Linux's RssAnon, without the object store and mapped files; the mean over a tenth of trials.",
    ]


if __name__ == "__main__":
    main()
