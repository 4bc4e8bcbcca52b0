"""Early stopping: the best epoch on validation is kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hnlm_ray.cf.evaluate.cutoffs import check_metric
from hnlm_ray.cf.trainable import Stepped


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
