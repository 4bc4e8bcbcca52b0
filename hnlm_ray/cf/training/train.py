"""A whole training: epochs, early stopping on validation, the best epoch restored.

Early stopping: the best epoch on validation is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.closed_form import SOLVED
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.evaluate.metrics import check_metric
from hnlm_ray.cf.scoring import EmbeddingScores, Scorer
from hnlm_ray.cf.teacher.fused_training import Fused
from hnlm_ray.cf.teacher.semantic import teacher_of
from hnlm_ray.cf.trainable import EpochReport, Stepped
from hnlm_ray.cf.training.trainer import Trainer
from hnlm_ray.config import CFConfig


class EarlyStopping:
    """Keeps the best epoch by one metric; stops after ``patience`` evaluations without improvement.

    InputError where the metric isn't measured at ``cutoffs``, or there is no validation positive.
    """

    def __init__(self, trainer: Stepped, metric: str, cutoffs: Sequence[int]) -> None:
        check_metric(metric, cutoffs)
        trainer.data.held_out("validation")
        self.trainer, self.metric, self.cutoffs = trainer, metric, cutoffs
        self.best_epoch, self.validation, self.fruitless = 0, dict[str, float](), 0
        self.weights: dict[str, Any] = {}

    def evaluate(self) -> dict[str, float]:
        """Evaluate the current epoch on validation and remember its model where it is the best so far."""
        means = self.trainer.evaluate("validation", self.cutoffs).means
        if not self.validation or means[self.metric] > self.validation[self.metric]:
            self.best_epoch, self.validation, self.fruitless = self.trainer.epoch, means, 0
            self.weights = copy.deepcopy(self.trainer.weights())
        else:
            self.fruitless += 1
        return means

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self.fruitless >= self.trainer.config.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far, its figures and weights."""
        return {
            "best_epoch": self.best_epoch,
            "validation": self.validation,
            "fruitless": self.fruitless,
            "weights": self.weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.best_epoch, self.validation = state["best_epoch"], state["validation"]
        self.fruitless, self.weights = state["fruitless"], state["weights"]

    def restore(self) -> None:
        """Put the best epoch's weights back into the model and the adapter."""
        self.trainer.load_weights(self.weights)


class Checkpoints(Protocol):
    """Keeps the state of a training between epochs."""

    def load(self) -> dict[str, Any] | None:
        """Return what was kept last; none: nothing yet."""
        ...

    def save(self, state: Callable[[], dict[str, Any]], *, last: bool) -> None:
        """Keep the state after an epoch, or leave it unless it is the last; it is made only where it is kept."""
        ...


OnEpoch = Callable[[EpochReport, dict[str, float] | None], None]
OnStart = Callable[[Stepped], None]


@dataclass(frozen=True, eq=False)
class Training:
    """A finished training.

    Attributes
    ----------
    epochs, best_epoch
        Epochs run, and the one whose model this is (0: the start; without validation: the last).
    seconds_per_epoch
        Of training alone, evaluations apart.
    validation
        Metric means of the best epoch; empty without validation.
    scorer
        What ranks, as it was at the best epoch.
    data
        What it was trained on: with validation in train where the config says so.
    skipped_pairs
        Training pairs left out, because their user has a positive with every item.
    vector_coverage
        Share of training pairs that have a vector; none unless the sampler is ``vectors``.
    adapter_shift
        How far the adapter moved up to the best epoch, relative to its start (L2); none without adapter.
    fusion_weight
        Weight of the teacher's scores at the best epoch; none without late fusion.
    trainer
        What was stepped, at the best epoch, without the fusion; its random streams are where the last epoch left them.
    """

    epochs: int
    best_epoch: int
    seconds_per_epoch: list[float]
    validation: dict[str, float]
    scorer: Scorer
    data: CFData
    skipped_pairs: int
    vector_coverage: float | None
    adapter_shift: float | None
    fusion_weight: float | None
    trainer: Stepped

    @property
    def user_embeddings(self) -> Tensor:
        """Final embeddings, float32[users, width]; InputError of a model that has none."""
        return _embeddings(self.scorer).user_embeddings

    @property
    def item_embeddings(self) -> Tensor:
        """Final embeddings, float32[items, width]; InputError of a model that has none."""
        return _embeddings(self.scorer).item_embeddings


def _embeddings(scorer: Scorer) -> EmbeddingScores:
    if not isinstance(scorer, EmbeddingScores):
        raise InputError(
            "this model has no embeddings that rank: it scores users by their items, or is fused; take its scorer"
        )
    return scorer


def train(
    data: CFData,
    config: CFConfig,
    seed: int,
    *,
    metric: str = "ndcg@20",
    cutoffs: Sequence[int] = (10, 20),
    on_start: OnStart | None = None,
    on_epoch: OnEpoch | None = None,
    device: str = "cpu",
    checkpoints: Checkpoints | None = None,
) -> Training:
    """Train until validation stops improving, and return the best epoch.

    Evaluates every ``config.eval_every`` epochs and after the last one. Without validation positives
    (``data.validation`` is none, or ``config.validation == 'none'``): exactly ``config.epochs`` epochs.

    Parameters
    ----------
    metric
        The early-stopping metric, one of those measured at ``cutoffs``.
    on_start
        Called once before the first epoch, with what is stepped, without the fusion.
    on_epoch
        Called after every epoch, before it is kept, with its report and, where it was evaluated, the validation
        means.
    checkpoints
        Where a training that was stopped is taken up, and where it is kept after each epoch.

    Raises
    ------
    InputError
        Data or config that can't be trained on; ``metric`` not measured.
    DivergedError
        The loss or an embedding is no longer finite.
    """
    trainer = open_training(data, config, seed, device, metric=metric)
    stopping = None if trainer.data.validation is None else EarlyStopping(trainer, metric, cutoffs)
    seconds: list[float] = []
    if checkpoints is not None and (state := checkpoints.load()) is not None:
        trainer.load_state_dict(state["trainer"])
        seconds = list(state["seconds"])
        if stopping:
            stopping.load_state_dict(state["stopping"])
    if on_start is not None:
        on_start(_unfused(trainer))
    while not _is_over(trainer, stopping):
        report = trainer.run_epoch()
        seconds.append(report.seconds)
        due = trainer.epoch % config.eval_every == 0 or trainer.epoch == config.epochs or trainer.finished
        means = stopping.evaluate() if stopping and due else None
        if on_epoch is not None:
            on_epoch(report, means)
        if checkpoints is not None:
            checkpoints.save(lambda: _state(trainer, stopping, seconds), last=_is_over(trainer, stopping))
    return _finish(trainer, stopping, seconds)


def _is_over(trainer: Stepped, stopping: EarlyStopping | None) -> bool:
    done = trainer.finished or trainer.epoch >= trainer.config.epochs
    return done or (stopping is not None and stopping.is_over)


def _state(trainer: Stepped, stopping: EarlyStopping | None, seconds: list[float]) -> dict[str, Any]:
    best = stopping.state_dict() if stopping else None
    return {"trainer": trainer.state_dict(), "stopping": best, "seconds": seconds}


def open_training(
    data: CFData, config: CFConfig, seed: int, device: str = "cpu", *, metric: str = "ndcg@20"
) -> Stepped:
    """Return what trains ``config.model``: gradients, or a solver where the model has one; fused where it is to be.

    ``metric`` is that by which a fusion chooses its weight on validation.
    """
    made: Stepped = (SOLVED.get(config.model) or Trainer)(data, config, seed, device)
    if config.fusion in {"none", 0}:
        return made
    return Fused(made, teacher_of(made.data, config, device), metric)


def _unfused(stepped: Stepped) -> Stepped:
    return stepped.inner if isinstance(stepped, Fused) else stepped


def _finish(trainer: Stepped, stopping: EarlyStopping | None, seconds: list[float]) -> Training:
    epochs = trainer.epoch
    if stopping and epochs == 0:
        stopping.evaluate()
    if stopping:
        stopping.restore()
    own = _unfused(trainer)
    adapted = own.adapted if isinstance(own, Trainer) else None
    vectors = trainer.data.vectors if adapted else None
    return Training(
        epochs=epochs,
        best_epoch=stopping.best_epoch if stopping else epochs,
        seconds_per_epoch=seconds,
        validation=stopping.validation if stopping else {},
        scorer=trainer.scorer(),
        data=trainer.data,
        skipped_pairs=trainer.skipped_pairs,
        vector_coverage=vectors.coverage if vectors else None,
        adapter_shift=adapted.shift if adapted else None,
        fusion_weight=trainer.weight if isinstance(trainer, Fused) else None,
        trainer=own,
    )
