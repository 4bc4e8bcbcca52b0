"""Our figures with others' settings on their splits, beside what they published (:mod:`cf_bench.published_figures`).

On all training rows, as they did, with test read along the way to draw the curve (nothing is chosen by it); and where
that reaches the end of theirs, the honest one beside it: the epoch is chosen on a tenth of the training rows, which is
held out for that, then all of them train for so many epochs, and test is read once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cf_bench.datasets import Dataset
from cf_bench.published_figures import FIGURES, NO_FIGURE, Means, Published
from cf_bench.report import Row, row_of
from hnlm_ray.cf import CFData, Trainer, train
from hnlm_ray.cf.files import hold_out
from hnlm_ray.commands.cf.checkpoint import FileCheckpoints, digest
from hnlm_ray.config import CFConfig

METRICS: Final = ("recall@20", "ndcg@20")
EVERY: Final = 10
PATIENCE: Final = 5
Curve = dict[int, Means]


class Kept:
    """What was measured, in a file that belongs to its settings and its data; exit where it is of others."""

    def __init__(self, path: Path, config: CFConfig, data: CFData) -> None:
        self.path, self.belongs = path, {"config": config.model_dump(mode="json"), "data": digest(data)}

    def read(self) -> dict[str, Any]:
        """Return it; empty where nothing was measured."""
        if not self.path.exists():
            return {}
        kept: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        if kept["belongs"] != self.belongs:
            sys.exit(f"{self.path} was measured with other settings or data: give another --keep")
        measured: dict[str, Any] = kept["measured"]
        return measured

    def write(self, measured: Mapping[Any, Any]) -> None:
        """Put it in the file's place."""
        fresh = self.path.with_suffix(".part")
        fresh.write_text(json.dumps({"belongs": self.belongs, "measured": measured}), encoding="utf-8")
        fresh.replace(self.path)


def published(dataset: Dataset, most: int, keep: Path, names: Sequence[str] = (), *, judged: bool) -> list[Row]:
    """Train as others did, at most ``most`` epochs; rows of the epochs that they tell of, and of the honest figure.

    Parameters
    ----------
    names
        Only the figures that verify one of these; none: all.
    keep
        Folder with the states and the curves: a run that was stopped goes on, and more epochs begin where fewer ended.
    """
    keep.mkdir(parents=True, exist_ok=True)
    figures = [one for one in FIGURES if one.dataset == dataset.name] if judged else list(FIGURES[:1])
    wanted = [one for one in figures if not names or set(names) & set(one.names)]
    return [row for one in wanted for row in _rows(dataset, one, most, keep, judged=judged)]


def _rows(dataset: Dataset, one: Published, most: int, keep: Path, *, judged: bool) -> list[Row]:
    end = one.epochs if judged else most
    curves = [_curve(dataset, one, seed, min(most, end), keep) for seed in range(one.seeds)]
    last = max(epoch for epoch in set.intersection(*map(set, curves)) if epoch <= most)
    told = sorted({epoch for epoch in (*one.curve, *one.least) if epoch <= last} | {last})
    rows = [_row(dataset, one, epoch, metric, curves, judged=judged) for epoch in told for metric in METRICS]
    if last < end:
        return rows
    honest = [_honest(dataset, one, seed, last, keep) for seed in range(one.seeds)]
    return rows + [_honest_row(dataset, one, metric, honest, judged=judged) for metric in METRICS]


def _curve(dataset: Dataset, one: Published, seed: int, epochs: int, keep: Path) -> Curve:
    """Train on all rows; returns test means of the epochs that are told, of every tenth and of the last."""
    # The state does not belong to the number of epochs: with a constant rate they only say where to stop.
    config = CFConfig(validation="none", epochs=one.epochs, **one.settings)
    kept = Kept(keep / f"{_name(dataset, one)}-{seed}.json", config, dataset.data)
    found: Curve = {int(epoch): means for epoch, means in kept.read().items()}
    wanted = {epoch for epoch in (*one.curve, *one.least, *range(EVERY, epochs, EVERY), epochs) if epoch <= epochs}
    if wanted <= set(found) or max(found, default=0) > epochs:
        return found

    def see(trainer: Trainer, epoch: int) -> None:
        if epoch in wanted:
            found[epoch] = _two(trainer.evaluate("test", (20,)).means)
            _say(dataset, one, seed, f"epoch {epoch}: {found[epoch]}")
            kept.write(found)

    trainer = Trainer(dataset.data, config, seed)
    checkpoints = _checkpoints(kept.path.with_suffix(".pt"), config, dataset.data, seed)
    if (state := checkpoints.load()) is not None:
        trainer.load_state_dict(state)
    while trainer.epoch < epochs:
        see(trainer, trainer.run_epoch().epoch)
        checkpoints.save(trainer.state_dict, last=trainer.epoch == epochs)
    return found


def _honest(dataset: Dataset, one: Published, seed: int, epochs: int, keep: Path) -> Means:
    """Choose the epoch on a tenth of the training rows, then train on all; returns the test means, and the epoch."""
    every = max(1, epochs // 20)
    config = CFConfig(epochs=epochs, eval_every=every, patience=PATIENCE, **one.settings)
    kept = Kept(keep / f"{_name(dataset, one)}-{seed}-honest-{epochs}.json", config, dataset.data)
    if means := kept.read():
        return means
    data = hold_out(dataset.data, seed)
    checkpoints = _checkpoints(kept.path.with_suffix(".pt"), config, data, seed)
    chosen = train(data, config, seed, metric="recall@20", cutoffs=(20,), checkpoints=checkpoints).best_epoch
    config = CFConfig(validation="none", epochs=chosen, **one.settings)
    checkpoints = _checkpoints(kept.path.with_suffix(".all.pt"), config, dataset.data, seed)
    done = train(dataset.data, config, seed, checkpoints=checkpoints)
    found = _two(done.trainer.evaluate("test", (20,)).means) | {"epoch": chosen}
    _say(dataset, one, seed, f"honest: {found}")
    kept.write(found)
    return found


def _checkpoints(path: Path, config: CFConfig, data: CFData, seed: int) -> FileCheckpoints:
    return FileCheckpoints(str(path), config, data, {"seed": seed}, resume=True, needed=False)


def _two(means: Means) -> Means:
    return {metric: means[metric] for metric in METRICS}


def _name(dataset: Dataset, one: Published) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in f"{dataset.name} {one.title}").lower()


def _say(dataset: Dataset, one: Published, seed: int, told: str) -> None:
    sys.stderr.write(f"{dataset.name}, {one.title}, seed {seed}, {told}\n")


def _row(dataset: Dataset, one: Published, epoch: int, metric: str, curves: list[Curve], *, judged: bool) -> Row:
    theirs, peer = one.curve.get(epoch, {}).get(metric), f"log at epoch {epoch}"
    if epoch == one.epochs or epoch not in one.curve:
        theirs = one.figures.get(metric)
        peer = f"epoch {one.epochs}, their best on test"
    ours = sum(curve[epoch][metric] for curve in curves) / len(curves)
    least = one.least.get(epoch, {}).get(metric)
    runs = [{at: means[metric] for at, means in sorted(curve.items())} for curve in curves]
    work = f"{one.title}, {dataset.name}, epoch {epoch}{_seeds(curves)}"
    if not judged:
        theirs = least = None
    return row_of(work, peer, ours, theirs, unit=metric, least=least, runs=runs, more_is_better=True)


def _honest_row(dataset: Dataset, one: Published, metric: str, honest: list[Means], *, judged: bool) -> Row:
    ours = sum(means[metric] for means in honest) / len(honest)
    epochs = ", ".join(f"{means['epoch']:.0f}" for means in honest)
    work = f"{one.title}, {dataset.name}, honest: epoch {epochs} by validation{_seeds(honest)}"
    theirs = one.figures.get(metric) if judged else None
    peer = f"epoch {one.epochs}, their best on test"
    return row_of(work, peer, ours, theirs, unit=metric, runs=honest, more_is_better=True)


def _seeds(runs: list[Any]) -> str:
    return f" ({len(runs)} seeds)" if len(runs) > 1 else ""


def names_table() -> str:
    """Write every name that ``hnlm cf train`` lists: its figure and the source, or why there is none."""
    lines = ["| name | published, Recall@20 / NDCG@20 | where, or why there is none |", "|---|---|---|"]
    for one in FIGURES:
        figures = " / ".join(f"{one.figures[metric]:.4f}".lstrip("0") for metric in METRICS if metric in one.figures)
        names = ", ".join(f"`{name}`" for name in one.names)
        lines.append(f"| {names} | {figures} ({one.title}, {one.dataset}) | {one.source} |")
    lines += [f"| `{name}` |  | {reason} |" for name, reason in NO_FIGURE.items()]
    return "\n".join(lines)
