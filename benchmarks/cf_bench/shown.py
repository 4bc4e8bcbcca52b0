"""What a row of the speed run shows of its runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cf_bench.bench import Bench
from cf_bench.datasets import Dataset
from cf_bench.report import Run, Runs, compare

Targets = dict[str, float]
"""The least ratio by the name of who is compared with."""


@dataclass(frozen=True)
class Shown:
    """What a row shows of a run."""

    figure: Callable[[Run], float]
    unit: str
    more_is_better: bool = False


SECONDS: Final = Shown(lambda run: run["cpu_s"], "CPU s")
TRIPLES: Final = Shown(lambda run: run["pairs"] / run["cpu_s"], "triples/CPU s", more_is_better=True)
PEAK: Final = Shown(lambda run: run["peak_mib"], "MiB")
SPEED: Final = Shown(lambda run: run["pairs"] / run["wall_s"], "pairs/s each", more_is_better=True)


def epoch_seconds(dataset: Dataset) -> Shown:
    """Scale a run's seconds to all training pairs."""
    return Shown(lambda run: run["cpu_s"] / run["pairs"] * len(dataset.data.train), "CPU s")


def add_all(bench: Bench, runs: Runs, work: str, shown: Shown, targets: Targets) -> None:
    """Add a row for each peer in ``runs``; ``targets``: the least ratio by the peer's name."""
    for name in tuple(runs)[1:]:
        both = {"ours": runs["ours"], "theirs": runs[name]}
        wanted = targets.get(name)
        row = compare(
            work, name, both, shown.figure, unit=shown.unit, target=wanted, more_is_better=shown.more_is_better
        )
        bench.add(row)
