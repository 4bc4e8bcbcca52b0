"""The two sides of sweep_overhead.py, each a process: `python -m cf_bench.sweep_sides sweep|loop JSON`."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from typing import Any

from cf_bench.sweep_watch import NOTES, own_mib, watched_training, write_note
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import CFData
from hnlm_ray.config import CFConfig, Config

METHOD = "rns"


def open_config(asked: dict[str, Any]) -> Config:
    """Return the run's configuration: one method, MF, every trial as many epochs."""
    cf = {"epochs": asked["epochs"], "patience": asked["epochs"]}
    tune = {"methods": [METHOD], "models": ["mf"], "trials": asked["trials"], "concurrent": asked["concurrent"]}
    tree = {"name": "sweep-overhead", "workspace": asked["workspace"], "source": {"format": "movielens_100k"}}
    return Config.model_validate(tree | {"cf": cf, "tune": tune | asked["tune"], "ray": {"cpus": asked["ray_cpus"]}})


def open_data(text_mib: int = 0) -> CFData:
    """Return data of MovieLens 100K's size, with a tenth of the pairs for validation, and so much text beside them."""
    import numpy as np

    from cf_bench.datasets import power_law_pairs
    from hnlm_ray.cf import Positives

    users, items = power_law_pairs(110_000, 943, 1_682)
    held_out = (users * 31 + items * 17) % 10 == 0
    train, validation = (Positives.from_pairs(users[part], items[part], 943) for part in (~held_out, held_out))
    text = np.ones((1_682, text_mib * 2**18 // 1_682), np.float32) if text_mib else None
    return CFData(943, 1_682, train, validation, item_text=text)


def settings_of(config: Config) -> list[CFConfig]:
    """Return what is trained, one configuration a trial: the same on both sides."""
    from hnlm_ray.tune.search.suggest import Suggestions

    suggestions = Suggestions(METHOD, config.cf, "mf", config.tune, config.seed)
    return [suggestions.suggest(trial) for trial in range(config.tune.trials)]


def train_all(config: Config, share: int, shares: int) -> None:
    """Train a share of the trials one after the other, as one would by hand: no table, no state, no report."""
    import torch

    from hnlm_ray.cf import train

    torch.set_num_threads(1)
    data = open_data()
    for settings in settings_of(config)[share::shares]:
        train(data, settings, config.seed, metric=config.tune.metric, cutoffs=config.tune.cutoffs)


def run_loop(config: Config, asked: dict[str, Any]) -> None:  # noqa: ARG001  it has no text and takes no notes
    """Train all, in as many processes as the sweep has trials at a time."""
    shares = config.tune.concurrent
    if shares == 1:
        train_all(config, 0, 1)
        return
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train_all, args=(config, share, shares)) for share in range(shares)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            sys.exit(f"a share of the loop ended with {process.exitcode}")


def run_noted(config: Config, asked: dict[str, Any]) -> None:
    """Search with the sweep of the pipeline, Ray's start and end included; notes of it go into a file."""
    from rich.console import Console

    from cf_bench.sweep_alone import run_sweep
    from hnlm_ray.tune.run import sweep as trainings

    os.environ[NOTES] = asked["notes"]
    trainings.run_training = watched_training
    note_rows(run_sweep(config, open_data(asked["text_mib"]), NotedProgress(Console(stderr=True), every_s=30)))


class NotedProgress(LineProgress):
    """Takes a note of the driver's memory with every trial that is counted."""

    def advance(self, rows: int = 1, tokens: int = 0, statuses: Mapping[str, int] | None = None) -> None:
        """See :class:`hnlm_ray.base.progress.Progress`."""
        super().advance(rows, tokens, statuses)
        write_note("counted", own_mib=own_mib())


def note_rows(rows: Any) -> None:  # noqa: ANN401  a table of pyarrow's
    """Note when each trial was done with its first epoch; exit unless all trials ended well."""
    if set(rows["status"].to_pylist()) != {"ok"}:
        sys.exit(f"not every trial ended well: {rows['status'].value_counts().to_pylist()}")
    found = rows.select(["method", "trial", "curve"]).to_pylist()
    write_note(
        "rows", first_epochs={f"{row['method']}-{row['trial']}": row["curve"][0]["cpu_seconds"] for row in found}
    )


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    {"sweep": run_noted, "loop": run_loop}[sys.argv[1]](open_config(given), given)
