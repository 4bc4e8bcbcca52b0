"""Stage: results and what the comparison read -> model_users, model_items.

The winner (best on validation, with the configuration and the epochs that made it so) is trained once more, by one Ray
task with the CPUs and GPUs of a trial; the task writes the vectors. Nothing is measured on this model and nothing is
chosen by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import ray

from hnlm_ray.base.errors import StageError
from hnlm_ray.cf import CFData, DivergedError, EmbeddingScores, Scorer, open_training, with_held_out_in_train
from hnlm_ray.compare.leaderboard import best_by_validation
from hnlm_ray.compare.method_rows import MethodRows, Row, group_rows
from hnlm_ray.config import CFConfig, Config, MethodName, TuneConfig
from hnlm_ray.methods.known import METHODS, Method, RunMethods, family, method_of
from hnlm_ray.prepare.stage import ITEMS_PER_PART
from hnlm_ray.recommend.model_tables import Matrix, ModelRows, model_table
from hnlm_ray.tune.control_data import method_data
from hnlm_ray.tune.data import load_cf_data
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.training_data import bucket_count, training_rows


@dataclass(frozen=True)
class Winner:
    """The chosen method: its name in results, what it trains with, and for how many epochs."""

    name: str
    method: MethodName
    config: CFConfig
    epochs: int


def choose_winner(
    trials: Sequence[Row], results: Sequence[Row], metric: str, methods: Mapping[MethodName, Method] = METHODS
) -> Winner:
    """Return the method with the best validation mean of ``metric``; of equals a classical one.

    Of several searches of it the one whose refits are best on validation is taken.

    Controls are left out: they tell what a method's meaning is worth, and nobody would run one. So are ease and what
    is fused with a teacher, which have no vectors to recommend with. Test figures choose nothing. ``epochs`` is the
    mean best epoch of the method's refits, rounded.

    Parameters
    ----------
    methods
        Those of the run.

    Raises
    ------
    StageError
        No method that can recommend finished.
    """
    groups = [group for group in group_rows(trials, results) if methods[method_of(group.name, methods)].has_vectors]
    entries = _entries(groups, metric, methods)
    names = [best_by_validation(entries, of_family, metric) for of_family in ("classical", "semantic", "text")]
    found = [group for name in names for group in groups if group.name == name]
    if not found:
        raise StageError(
            "no method that can recommend (controls can't, nor can ease or a late fusion) finished its refits: add one "
            "to tune.methods, or see `hnlm failures --stage results`, mend the cause and use `--retry failed`"
        )
    best = _best_search(max(found, key=lambda group: _validation(group, metric) or 0.0), metric)
    epochs = sum(int(row["best_epoch"]) for row in best.refits) / len(best.refits)
    config = CFConfig.model_validate(json.loads(best.refits[0]["config"]))
    return Winner(best.name, method_of(best.name, methods), config, int(epochs + 0.5))


def _best_search(group: MethodRows, metric: str) -> MethodRows:
    """Return a method's rows of its best search alone; of equals the first."""
    searches = [
        MethodRows(
            group.name,
            tuple(row for row in group.trials if row["search"] == search),
            tuple(row for row in group.results if row["search"] == search),
        )
        for search in group.searches
    ]
    return max(searches, key=lambda one: _validation(one, metric) or 0.0)


def _entries(
    groups: Sequence[MethodRows], metric: str, methods: Mapping[MethodName, Method]
) -> list[dict[str, object]]:
    return [
        {
            "name": group.name,
            "family": family(group.name, methods),
            "test": {metric: group.test.get(metric)},
            "validation": {metric: _validation(group, metric)},
        }
        for group in groups
    ]


def _validation(group: MethodRows, metric: str) -> float | None:
    """Return the mean over the refits; where these saw no validation, the best trial's."""
    return group.validation.get(metric, group.best_trial(metric).get(metric))


@dataclass(frozen=True)
class _Job:
    """What the training task needs to know."""

    winner: Winner
    tune: TuneConfig
    seed: int
    train_on: Literal["all", "train"]
    workspace: Workspace
    fingerprint: str


def train_final_model(run: StageRun) -> Outcome:
    """Train the winner on what ``recommend.train_on`` says, for the mean best epoch of its refits, exactly.

    Raises
    ------
    StageError
        No method can recommend, or the training diverged.
    """
    trials, results = (run.workspace.table(name).read().to_pylist() for name in ("trials", "results"))
    methods = RunMethods.of(run.config.tune)
    winner = choose_winner(trials, results, run.config.tune.metric, methods)
    data = load_cf_data(_reading_as(run.config, winner), run.workspace)
    data = training_data(method_data(winner.method, data, run.config.seed, methods), run.config.recommend.train_on)
    train_on = run.config.recommend.train_on
    _train(run, _Job(winner, run.config.tune, run.config.seed, train_on, run.workspace, run.fingerprint), data)
    return Outcome(
        Rows(ok=data.users),
        counts={
            "method": winner.name,
            "epochs": winner.epochs,
            "train_on": train_on,
            "positives": len(data.train),
            "cold_items": int((data.train.popularity(data.items) == 0).sum()),
            "seed": run.config.seed,
        },
    )


def _reading_as(config: Config, winner: Winner) -> Config:
    """Return the configuration with the winner as its only method: texts are encoded only if it reads them."""
    return config.model_copy(update={"tune": config.tune.model_copy(update={"methods": (winner.method,)})})


def training_data(data: CFData, train_on: Literal["all", "train"]) -> CFData:
    """Return data whose only split is train: of all positives, or of the training rows alone."""
    if train_on == "all":
        return with_held_out_in_train(data)
    return replace(data, validation=None, test=None)


def _train(run: StageRun, job: _Job, data: CFData) -> None:
    settings = run.config.tune
    run.progress.start("final_model", job.winner.epochs, unit="epochs")
    task = ray.remote(_trained).options(
        num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial, num_returns="streaming"
    )
    for epoch in task.remote(job, data):
        ray.get(epoch)
        run.progress.advance()
    run.progress.finish()


def _trained(job: _Job, data: CFData) -> Iterator[None]:
    """Train and write in a task; yields once an epoch, and ends after the vectors are written."""
    import torch

    torch.set_num_threads(max(1, int(job.tune.cpus_per_trial)))
    device = "cuda" if job.tune.gpus_per_trial and torch.cuda.is_available() else "cpu"
    trainer = open_training(data, job.winner.config, job.seed, device)
    try:
        while trainer.epoch < job.winner.epochs and not trainer.finished:
            trainer.run_epoch()
            yield None
        users, items = _finite_vectors(trainer.scorer())
    except DivergedError as error:
        raise StageError(
            f"{job.winner.name} diverged when it was trained to recommend ({str(error).partition(';')[0]}): "
            f"set {_other_training(job)}"
        ) from error
    write_model(job.workspace, job.fingerprint, data, users, items)


def _other_training(job: _Job) -> str:
    """Name what makes another training of it, for the advice after a divergence."""
    fewer_rows = "recommend.train_on=train or " if job.train_on == "all" else ""
    return f"{fewer_rows}another seed, or leave {job.winner.method} out of tune.methods"


def _finite_vectors(scores: Scorer) -> tuple[Matrix, Matrix]:
    """Return the vectors as they rank: their dot products are the scores."""
    assert isinstance(scores, EmbeddingScores)  # noqa: S101  no other wins
    users, items = (part.cpu().numpy() for part in (scores.user_embeddings, scores.item_embeddings))
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise DivergedError("its vectors are not finite")
    return users, items


def write_model(workspace: Workspace, fingerprint: str, data: CFData, users: Matrix, items: Matrix) -> None:
    """Write items in parts as the table items has them, users in the buckets of interactions.

    ``users`` float32[users, d] and ``items`` float32[items, d] are the model's vectors, trained on ``data.train``.
    """
    store, every, popularity = workspace.table("model_items"), np.arange(data.items), data.train.popularity(data.items)
    for part, start in enumerate(range(0, data.items, ITEMS_PER_PART)):
        rows = ModelRows(every, items, popularity).part(start, start + ITEMS_PER_PART)
        store.write_part(fingerprint, f"part-{part:05}", model_table("model_items", rows))
    store, degree = workspace.table("model_users"), data.train.degree
    for bucket in range(bucket_count(workspace)):
        index = np.unique(training_rows(workspace, bucket)["user"].to_numpy()).astype(np.int64)
        rows = ModelRows(index, users[index], degree[index])
        store.write_part(fingerprint, f"part-{bucket:05}", model_table("model_users", rows))
