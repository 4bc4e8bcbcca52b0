# ruff: noqa: INP001 - a script beside the package
r"""Ranking quality of the collaborative-filtering engine: published figures, samplers, peers on the same data.

    python benchmarks/cf_quality.py --gowalla DIR --ml1m DIR --phone DIR --json-out quality.json \
      --markdown docs/benchmarks.md
    python benchmarks/cf_quality.py --gowalla DIR --phone DIR --only published --epochs 1000 --keep DIR    # days
    python benchmarks/cf_quality.py --quick       # a small synthetic set, few epochs: whether it works

published: what papers and their authors' logs tell of these splits, with their settings, after the epochs that they
tell of and after --epochs at most; where that is their end, beside it the honest figure, its epoch chosen on rows of
train. With --keep
a run that was stopped goes on, and a later one with more --epochs begins where it ended.
samplers: MF on ML-1M with RNS, DNS and AHNS under --seeds seeds, the differences tested over the same users and seeds.
Twice: --sampler-epochs epochs on all training rows, and with candidates and epoch chosen on validation rows held out of
train. Test is read once a training, at the end.
peers: MF and LightGCN of RecBole and of LensKit and ours at equal epochs (--peer-epochs), settings and starts, under
--seeds seeds; implicit's ALS and BPR by their own defaults, our iALS, EASE and exact softmax by ours: nobody is tuned.
Peers hand over their factors and one rule measures all; RecBole's own figures must agree with it.

{how}
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from cf_bench.bench import Bench
from cf_bench.datasets import HOW_TO_GET, Dataset, read_datasets
from cf_bench.quality_peers import peers
from cf_bench.quality_published import names_table, published
from cf_bench.quality_samplers import samplers
from cf_bench.report import Row, machine, publish, section, write_json

__doc__ = __doc__.format(how=HOW_TO_GET)
RULE = "A ratio above 1: ours is better. Full ranking of all items, training items masked; nothing is chosen on test."
PARTS = {
    "published": [
        "At most {epochs} epochs. Theirs: all training rows, at the epochs of their logs; on test, where that is said.",
        "Test was read at these epochs to draw our curve, and nothing was chosen by it.",
        "Honest, where ours came to their end: epoch chosen on a tenth of the rows, then all train; test read once.",
    ],
    "samplers": [
        "MF, d 64, Adam at 1e-3, L2 1e-4, batches of 2048, {sampler_epochs} epochs at most.",
        "A given number of epochs: on all training rows. Chosen on validation: a tenth of the training rows held out.",
        "p: of the paired difference, users and seeds both as samples.",
    ],
    "peers": [
        "BPR and LightGCN of both sides {peer_epochs} epochs; the other models by their libraries' defaults, d 64.",
        "All figures of the peers are those of our evaluation on the factors that they hand over.",
    ],
}
"""The parts, and what one must know to read each."""


def main() -> None:
    """Measure and print, a section a part."""
    options = parse()
    place = machine()
    torch.set_num_threads(options.threads)
    reports = []
    with tempfile.TemporaryDirectory(prefix="cf-quality-") as folder, Bench(1, None, judged=True) as bench:
        bench.own()
        named = {"Gowalla": options.gowalla, "ML-1M": options.ml1m, "phone": options.phone}
        datasets = read_datasets(named, Path(folder))
        options.keep = options.keep or Path(folder)
        for part in options.only or PARTS:
            rows = [row for dataset in datasets for row in run_part(bench, part, dataset, options)]
            reports.append({"machine": place, "versions": dict(bench.versions), "rows": rows})
            notes = [RULE, *(note.format(**vars(options)) for note in PARTS[part]), *bench.left_out()]
            above = names_table() if part == "published" else ""
            text = section(f"Quality: {part}", reports[-1], notes, above=above)
            publish(f"cf_quality {part}", text, options.markdown)
    write_json(reports[-1] | {"rows": [row for report in reports for row in report["rows"]]}, options.json_out)


def run_part(bench: Bench, part: str, dataset: Dataset, options: argparse.Namespace) -> list[Row]:
    """Run one part on a data set, where it belongs there."""
    judged = not options.quick
    if part == "published":
        return published(dataset, options.epochs, options.keep, options.names or (), judged=judged)
    if part == "samplers":
        wanted = dataset.name in {"ML-1M", "synthetic"}
        return samplers(dataset, options.sampler_epochs, options.seeds, judged=judged) if wanted else []
    return peers(bench, dataset, options.peer_epochs, options.seeds, judged=judged)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gowalla", type=Path, metavar="DIR", help="Gowalla in the NGCF format")
    parser.add_argument("--ml1m", type=Path, metavar="DIR", help="ML-1M in the NGCF format")
    parser.add_argument("--phone", type=Path, metavar="DIR", help="AHNS' phone data in the NGCF format")
    parser.add_argument("--epochs", type=int, default=41, help="of part published, at most")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="of part published: figures of these names alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where part published keeps states and curves")
    parser.add_argument("--sampler-epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer-epochs", type=int, default=10, help="of BPR and LightGCN on both sides")
    parser.add_argument("--threads", type=int, default=1, help="of this process; peers have one")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="few epochs, two seeds, no targets")
    parser.add_argument("--json-out", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.sampler_epochs, options.seeds, options.peer_epochs = 6, 3, 2, 2
    elif not options.gowalla and not options.ml1m and not options.phone:
        parser.error(f"name data with --gowalla, --ml1m and --phone, or try --quick\n{HOW_TO_GET}")
    return options


if __name__ == "__main__":
    main()
