# ruff: noqa: INP001 - a script beside the package
"""What a search finds in equal time: the sweep, Optuna in a loop written by hand, RecBole's own tuning.

    python benchmarks/tuning_peers.py --ml1m DIR --json-out tuning.json --markdown docs/benchmarks.md
    python benchmarks/tuning_peers.py --quick       # seconds on a small synthetic set: whether it works

One job for all (cf_bench/tuning_job.py): BPR with MF or LightGCN, the same ranges, the same longest training, a tenth
of each user's training pairs as validation. Each tuner has two cores for --minutes, one after the other, and is killed
then. What counts is the best validation figure, of every side by our evaluation, and how many trials have ended.

{how}
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from cf_bench.datasets import HOW_TO_GET, read_datasets
from cf_bench.environments import PeerMissingError
from cf_bench.report import machine, publish, section, write_json
from cf_bench.tuning_job import JOB, QUICK_LENGTH, write_job
from cf_bench.tuning_race import COMMANDS, OURS, Tuned, rows_against, tune

__doc__ = __doc__.format(how=HOW_TO_GET)
QUICK_MINUTES = 0.5
NOTES = (
    "Test is not read. A ratio above 1: the sweep is better. Wall time from the start of a process, with all imports.",
    "By logarithm: lr {lr}, reg {reg}. Negatives uniform or DNS of {candidates}. Layers of LightGCN {layers}.",
    "d {dim}, batches of {batch}, at most {epochs} epochs; evaluated every {eval_every}, patience {patience}.",
    "All else by each tuner's defaults; no trial is stopped for falling behind another.",
    "The sweep: TPE for MF and for LightGCN in turn, two trials at a time; the start of Ray is in.",
    "Optuna alone: TPE, the same trainings in two threads of one process.",
    "RecBole: hyperopt's TPE, one training at a time on two threads, which reads the data anew as RecBole's own does.",
    "Its BPR has no L2. Its best factors are measured by our evaluation.",
)


def main() -> None:
    """Measure and print."""
    options = parse()
    place = machine()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: JOB["cores"]]))
    with tempfile.TemporaryDirectory(prefix="tuning-peers-") as folder:
        (dataset,) = read_datasets({"ML-1M": options.ml1m}, Path(folder))
        seen = write_job(dataset.data, Path(folder) / "job", quick=options.quick)
        found, missing = {}, []
        for name in COMMANDS:
            try:
                found[name] = tune(name, Path(folder) / "job", options.minutes * 60, seen)
            except PeerMissingError as error:
                if name == OURS:
                    raise
                sys.stderr.write(f"{error}\n")
                missing.append(f"Left out: {str(error).splitlines()[0]}.")
    rows = [
        row
        for name, theirs in found.items()
        if name != OURS
        for row in rows_against(dataset.name, options.minutes, found[OURS], name, theirs)
    ]
    ours = {name: version(name) for name in ("ray", "optuna", "torch")}
    report = {"machine": place, "versions": {"ours": ours}, "rows": rows}
    notes = [*notes_of(options, found), *missing, *options.note]
    publish("tuning_peers", section("Tuning", report, notes), options.markdown)
    write_json(report | {"notes": notes}, options.json_out)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml1m", type=Path, metavar="DIR", help="ML-1M in the NGCF format")
    parser.add_argument("--minutes", type=float, default=10, help="wall time of each tuner")
    parser.add_argument("--quick", action="store_true", help="half a minute each, trainings of two epochs")
    parser.add_argument("--note", action="append", default=[], help="a sentence for the page, such as what else ran")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the table into this page")
    options = parser.parse_args()
    if options.quick:
        options.minutes = QUICK_MINUTES
    elif not options.ml1m:
        parser.error(f"name data with --ml1m, or try --quick\n{HOW_TO_GET}")
    return options


def notes_of(options: argparse.Namespace, found: dict[str, Tuned]) -> list[str]:
    """Say what one must know to read the figures."""
    length = QUICK_LENGTH if options.quick else JOB["length"]
    job = {**JOB["ranges"], **JOB["same"], **length}
    return [*(note.format(**job) for note in NOTES), *(f"{name}: {tuned.told()}." for name, tuned in found.items())]


if __name__ == "__main__":
    main()
