"""Our tuners in tuning_peers.py, each a process: `python -m cf_bench.tuning_sides sweep|optuna FOLDER WORK`.

Neither ends by itself. The sweep's trials are rows of its workspace, Optuna's are lines in WORK/trials.jsonl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from cf_bench.sweep_alone import run_sweep
from cf_bench.tuning_job import METRIC, asked_settings, sweep_tree
from hnlm_ray.cf import CFData, Positives
from hnlm_ray.config import CFConfig, Config

Job = dict[str, Any]


def tune_by_sweep(job: Job, data: CFData, work: Path) -> None:
    """Search with the sweep of the pipeline, as many trials at a time as there are cores."""
    from rich.console import Console

    from hnlm_ray.base.progress import LineProgress

    run_sweep(Config.model_validate(sweep_tree(job, str(work / "workspace"))), data, LineProgress(Console(), 30))


def tune_by_optuna(job: Job, data: CFData, work: Path) -> None:
    """Ask Optuna's TPE in one process, as one would by hand: a thread a core, all else by its defaults."""
    import optuna
    import torch

    from hnlm_ray.cf import train

    torch.set_num_threads(1)

    def objective(trial: Any) -> float:  # noqa: ANN401  Optuna is untyped
        settings = asked_settings(job, trial)
        done = train(data, CFConfig(**settings), job["seed"], metric=METRIC, cutoffs=(20,))
        note_trial(work, done.validation[METRIC], settings)
        return done.validation[METRIC]

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=job["seed"]), direction="maximize")
    study.optimize(objective, n_trials=job["most_trials"], n_jobs=job["cores"])


def note_trial(work: Path, value: float, settings: Job) -> None:
    """Note a finished trial."""
    with (work / "trials.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"value": value, "model": settings["model"], "settings": settings}) + "\n")


def read_seen(folder: Path) -> CFData:
    """Return the training and validation pairs of a job."""
    sizes = json.loads((folder / "sizes.json").read_text(encoding="utf-8"))
    train, validation = (
        Positives.from_pairs(*np.load(folder / f"{split}.npy").T, sizes["users"]) for split in ("train", "validation")
    )
    return CFData(**sizes, train=train, validation=validation)


TUNERS: Final[dict[str, Callable[[Job, CFData, Path], None]]] = {"sweep": tune_by_sweep, "optuna": tune_by_optuna}

if __name__ == "__main__":
    tuner, folder, work = TUNERS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    tuner(json.loads((folder / "job.json").read_text(encoding="utf-8")), read_seen(folder), work)
