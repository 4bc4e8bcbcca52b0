# ruff: noqa: INP001 - a script beside the package
"""How time and memory of the collaborative-filtering engine grow from 10^5 to 10^7 interactions.

    python benchmarks/cf_scale.py --json-out scale.json --markdown docs/benchmarks.md     # some ten minutes
    python benchmarks/cf_scale.py --quick                                                 # up to 10^5, nothing to quote

The data is synthetic: rows/10 users and rows/100 items, whose activity and popularity fall by a power law. d is 32 and
there is one thread. MF trains by batches of 2048. A LightGCN step passes over the whole graph whatever its batch, so
that its batches grow with the data: 50 steps an epoch at every size, of which three are timed after five more.
Seconds are CPU seconds. Peaks are those of a process that reads, builds and trains, one for each model and size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from cf_bench.report import machine, publish, section, write_json
from cf_bench.scaling import growth_rows, measure, sizes_table
from cf_bench.workers import own_worker

SIZES = (100_000, 1_000_000, 10_000_000)
QUICK_SIZES = (10_000, 100_000)
NOTES = (
    "Synthetic power-law data; d {dim}, one thread; MF by batches of 2048; LightGCN, 3 layers, by 50 steps an epoch.",
    "Growth is that between the two largest sizes, where what is fixed weighs least: 1 is linear.",
    "Ranking grows with the catalogue, which grows with the interactions here.",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="interactions, rising")
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--quick", action="store_true", help="10^4 and 10^5, no targets")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page")
    options = parser.parse_args()
    place, found = machine(), []
    with tempfile.TemporaryDirectory(prefix="cf-scale-") as folder:
        for rows in QUICK_SIZES if options.quick else options.sizes:
            found.append(measure(rows, options.dim, Path(folder)))
            sys.stderr.write(f"{found[-1]}\n")
    with own_worker() as worker:
        versions = {"hnlm": worker.ask("versions")}
    rows = growth_rows(found, options.dim, judged=not options.quick)
    report = {"machine": place, "versions": versions, "rows": rows, "sizes": found}
    notes = [note.format(dim=options.dim) for note in NOTES]
    publish("cf_scale", section("Scale", report, notes, above=sizes_table(found)), options.markdown)
    write_json(report | {"notes": notes}, options.json_out)


if __name__ == "__main__":
    main()
