"""Each tuner gets the cores for as long, then is killed: what it has found by then counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from cf_bench.environments import DRIVERS, HERE, PEERS, PeerMissingError, python_of
from cf_bench.process_cpu import measure_until
from cf_bench.report import Row, row_of
from cf_bench.sweep_alone import finished_rows
from cf_bench.tuning_job import JOB, METRIC
from cf_bench.workers import ONE_THREAD
from hnlm_ray.cf import CFData, EmbeddingScores, evaluate

Trial = dict[str, Any]
OURS: Final = "the sweep"
COMMANDS: Final[dict[str, Callable[[], list[str]]]] = {
    OURS: lambda: [sys.executable, "-m", "cf_bench.tuning_sides", "sweep"],
    "Optuna alone": lambda: [sys.executable, "-m", "cf_bench.tuning_sides", "optuna"],
    "RecBole": lambda: [str(python_of(PEERS["RecBole"])), str(DRIVERS / "recbole_tuning.py")],
}


@dataclass(frozen=True)
class Tuned:
    """What a tuner found: its finished trials, the best figure by our evaluation (0: none), the CPU seconds it had."""

    trials: Sequence[Trial]
    best: float
    cpu_s: float

    def told(self) -> str:
        """Return in words how many trials of each model there were, the CPU seconds, and the best settings."""
        models = Counter(trial["model"] for trial in self.trials)
        counts = " and ".join(f"{count} of {model}" for model, count in sorted(models.items())) or "none"
        best = max(self.trials, key=lambda trial: float(trial["value"]), default={"settings": {}})["settings"]
        chosen = ", ".join(f"{name} {_short(value)}" for name, value in sorted(best.items()))
        return f"trials {counts} in {self.cpu_s:.0f} CPU s; best: {chosen or 'none'}"


def _short(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def tune(name: str, folder: Path, seconds: float, seen: CFData) -> Tuned:
    """Let one tuner search; PeerMissingError where it can't start or ends by itself."""
    work = folder / name.replace(" ", "-")
    work.mkdir()
    # What a killed process leaves in the temporary folder goes with the work; Ray's sockets need a short path.
    own = {"TMPDIR": str(work), "RAY_TMPDIR": tempfile.gettempdir()}
    environment = os.environ | ONE_THREAD | own | ({"PYTHONPATH": str(HERE)} if name != "RecBole" else _threads())
    log = work / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - the tuners beside this package
            [*COMMANDS[name](), str(folder), str(work)], stdout=stream, stderr=stream, env=environment
        )
        try:
            trials, run = measure_until(process, seconds, lambda: read_trials(work))
        except ChildProcessError as error:
            said = log.read_text(encoding="utf-8", errors="replace").strip()[-1500:]
            raise PeerMissingError(f"{name} {error}\n{said}") from error
    return Tuned(trials, best_of(work, trials, seen), run["cpu_s"])


def _threads() -> dict[str, str]:
    """Return the environment of a tuner that trains one model at a time, on all cores."""
    return {name: str(JOB["cores"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} | {"HYPEROPT_FMIN_SEED": "0"}


def read_trials(work: Path) -> list[Trial]:
    """Return the trials that have ended: rows of a sweep's workspace, or lines."""
    if (work / "workspace").exists():
        return [trial_of(row) for row in finished_rows(str(work / "workspace")).to_pylist()]
    lines = work / "trials.jsonl"
    return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()] if lines.exists() else []


def trial_of(row: Mapping[str, Any]) -> Trial:
    """Return a row of the sweep as a trial: its figure, its model, and what was searched; 0 of one that failed."""
    settings = json.loads(row["config"])
    shown = {name: settings[name] for name in ("lr", "reg", "model", "sampler", "candidates", "layers")}
    return {"value": dict(row["validation"] or ()).get(METRIC, 0.0), "model": settings["model"], "settings": shown}


def best_of(work: Path, trials: Sequence[Trial], seen: CFData) -> float:
    """Return the best figure: of a peer's best factors by our evaluation; ours all are by it."""
    factors = work / "factors.npz"
    if not factors.exists():
        return max((float(trial["value"]) for trial in trials), default=0.0)
    with np.load(factors) as tables:
        users, items = (torch.from_numpy(tables[name]) for name in ("users", "items"))
    return evaluate(EmbeddingScores(users, items), seen, "validation", (20,)).means[METRIC]


def rows_against(dataset: str, minutes: float, ours: Tuned, name: str, theirs: Tuned) -> list[Row]:
    """Compare the sweep with one tuner: the best it has reached, and the trials that it has finished."""
    where = f"MF and LightGCN, {dataset}, {minutes:g} minutes on {JOB['cores']} cores"
    both = (
        (f"best validation NDCG@20: {where}", METRIC, ours.best, theirs.best),
        (f"trials finished: {where}", "trials", len(ours.trials), len(theirs.trials)),
    )
    return [
        row_of(work, name, own, other or None, unit=unit, runs=list(theirs.trials), more_is_better=True)
        for work, unit, own, other in both
    ]
