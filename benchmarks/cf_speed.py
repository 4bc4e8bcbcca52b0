# ruff: noqa: INP001 - a script beside the package
"""Speed and memory of the collaborative-filtering engine against RecBole 1.2.1, implicit and LensKit.

    python benchmarks/cf_speed.py --gowalla DIR --ml1m DIR --json-out speed.json --markdown docs/benchmarks.md
    python benchmarks/cf_speed.py --quick        # a small synthetic set, one repeat: whether it works, nothing to quote

Each peer is installed into an environment of its own (build/bench/), once; one that can't be is reported. All sides
read the same pairs and train with d 64, 3 layers, batches of 2048, Adam at 1e-3, on one thread each, in processes that
take turns: ours, theirs, ours, theirs. The medians of the repeats count. Times are CPU seconds of the process, which
on one thread are wall seconds on an idle machine; wall seconds are in the JSON.

LightGCN's epochs, DNS and softmax are timed over --batches batches after five more, on every side alike, and scaled by
training pairs to an epoch; --full times whole epochs. MF's epochs, sampling and evaluation are always whole.

Peers' quirks. RecBole predates NumPy 2 and current SciPy: its driver brings the removed names back and leaves its files
alone. Its BPR has no L2, so no side has one there. LensKit's L2 is AdamW's weight decay. implicit's BPR is plain SGD, a
cheaper step than Adam's. {how}
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from cf_bench.bench import Bench
from cf_bench.datasets import HOW_TO_GET, Dataset, read_datasets
from cf_bench.report import machine, publish, section, write_json
from cf_bench.speed_works import TARGETS, WORKS, run_work

__doc__ = __doc__.format(how="\n\nData. " + HOW_TO_GET)


def main() -> None:
    """Measure and print."""
    options = parse()
    place = machine()
    batches = None if options.full else 5 if options.quick else options.batches
    with tempfile.TemporaryDirectory(prefix="cf-speed-") as folder:
        datasets = read_datasets({"Gowalla": options.gowalla, "ML-1M": options.ml1m}, Path(folder))
        repeats = 1 if options.quick else options.repeats
        with Bench(repeats, batches, judged=not options.quick) as bench:
            for dataset in datasets:
                for name in options.only or WORKS:
                    if dataset.name in TARGETS[name] or dataset.name == "synthetic":
                        run_work(bench, name, dataset)
            report = {"machine": place, "versions": bench.versions, "rows": bench.rows}
            notes = notes_of(bench, datasets)
    publish("cf_speed", section("Speed", report, notes), options.markdown)
    write_json(report | {"notes": notes}, options.json_out)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gowalla", type=Path, metavar="DIR", help="Gowalla in the NGCF format")
    parser.add_argument("--ml1m", type=Path, metavar="DIR", help="ML-1M in the NGCF format")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, default=40, help="timed batches where not a whole epoch is timed")
    parser.add_argument("--full", action="store_true", help="whole epochs everywhere (hours)")
    parser.add_argument("--only", nargs="+", choices=tuple(WORKS), help="these works alone")
    parser.add_argument("--quick", action="store_true", help="one repeat, 5 batches, no targets")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page")
    options = parser.parse_args()
    if not options.quick and not options.gowalla and not options.ml1m:
        parser.error(f"name data with --gowalla and --ml1m, or try --quick\n{HOW_TO_GET}")
    if options.only and options.markdown:
        parser.error("--markdown holds a whole run; leave --only out, or take --json-out")
    return options


def notes_of(bench: Bench, datasets: list[Dataset]) -> list[str]:
    """Say what one must know to read the figures."""
    sizes = "; ".join(
        f"{one.name}: {one.data.users:,} users, {one.data.items:,} items, "
        f"{len(one.data.train):,} training pairs on all sides"
        for one in datasets
    )
    timed = "whole epochs" if bench.batches is None else f"{bench.batches} batches, scaled by pairs to an epoch"
    return [
        f"{sizes}.",
        f"Medians of {bench.repeats} runs that took turns; one thread, d 64, 3 layers, batches of 2048, Adam at 1e-3.",
        f"LightGCN, DNS and softmax: {timed}; MF, sampling and evaluation: whole.",
        "A ratio above 1: ours is better. CPU seconds of the process; wall seconds are in the JSON.",
        "RecBole predates NumPy 2 and current SciPy: its driver brings removed names back, its files are as published.",
        "Its BPR has no L2, so no side has one there; LensKit's is AdamW's weight decay; implicit's BPR is plain SGD.",
        *bench.left_out(),
    ]


if __name__ == "__main__":
    main()
