# ruff: noqa: INP001 - a file run by another environment's Python
"""Tunes by RecBole's own HyperTuning (hyperopt's TPE) until it is ended: `python recbole_tuning.py FOLDER WORK`.

A trial is what RecBole's own objective does: it reads the data, trains with early stopping and keeps the best epoch.
(That objective itself reports to a Ray of 2023 and reads test, so it is written anew here.) FOLDER has ``job.json`` and
the pairs. Each trial's end is a line in WORK/trials.jsonl; WORK/factors.npz is the best model so far.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

FOLDER, WORK = sys.argv[1:3]

import torch  # noqa: E402
from recbole_setup import MODELS, config_of, export_factors, write_atomic  # noqa: E402  it patches what RecBole imports

# isort: split
from hyperopt import hp  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.trainer import HyperTuning  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402
from serving import read_pairs, read_sizes  # noqa: E402

Params = dict[str, Any]


class Tuning:
    """The trials of one job."""

    def __init__(self, job: Params) -> None:
        self.job, self.best = job, -math.inf

    def space(self) -> Params:
        """Return the job's ranges as hyperopt's: its logarithmic range takes the logarithms of its bounds."""
        ranges = self.job["ranges"]
        negatives = hp.choice("negatives", [0, hp.choice("candidates", ranges["candidates"])])
        space = {name: hp.choice(name, ranges[name]) for name in ("model", "layers")}
        logs = {name: hp.loguniform(name, *map(math.log, ranges[name])) for name in ("lr", "reg")}
        return space | logs | {"candidates": negatives}

    def trial(self, params: Params, _files: object) -> Params:
        """Train one configuration."""
        config = config_of(WORK, **params, **self.job["same"], **recbole_settings(self.job))
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train_data, valid_data, _ = data_preparation(config, dataset)
        model = get_model(config["model"])(config, train_data._dataset)  # noqa: SLF001
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        score, result = trainer.fit(train_data, valid_data, verbose=False, show_progress=False)
        self._keep(score, params, trainer, dataset)
        return {
            "model": MODELS[params["model"]],
            "best_valid_score": score,
            "valid_score_bigger": True,
            "best_valid_result": result,
            "test_result": {},
        }

    def _keep(self, score: float, params: Params, trainer: Any, dataset: Any) -> None:  # noqa: ANN401  RecBole's
        saved = Path(trainer.saved_model_file)
        if score > self.best:
            self.best = score
            # Its own file of a moment ago, which holds its configuration as an object.
            trainer.model.load_state_dict(torch.load(saved, weights_only=False)["state_dict"])
            export_factors(f"{WORK}/next.npz", trainer.model, dataset, read_sizes(FOLDER))
            os.replace(f"{WORK}/next.npz", f"{WORK}/factors.npz")
        saved.unlink()
        with Path(WORK, "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"value": float(score), "model": params["model"], "settings": params}) + "\n")


def recbole_settings(job: Params) -> Params:
    """Return the length of a training in RecBole's words: it stops after one more evaluation than it is told."""
    length = job["length"]
    return {
        "epochs": length["epochs"],
        "eval_step": length["eval_every"],
        "stopping_step": length["patience"] - 1,
        "eval_batch_size": 256 * read_sizes(FOLDER)[1],
        "checkpoint_dir": f"{WORK}/saved",
    }


def main() -> None:
    """Write RecBole's files and tune; test is the first validation pair, as it wants one, and is not read."""
    job = json.loads(Path(FOLDER, "job.json").read_text(encoding="utf-8"))
    torch.set_num_threads(job["cores"])
    train, valid = (read_pairs(FOLDER, split) for split in ("train", "validation"))
    write_atomic(WORK, train=train, valid=valid, test=valid[:1])
    os.chdir(WORK)
    tuning = Tuning(job)
    endless = job["most_trials"]
    HyperTuning(tuning.trial, space=tuning.space(), algo="bayes", max_evals=endless, early_stop=endless).run()


if __name__ == "__main__":
    main()
