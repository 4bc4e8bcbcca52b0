"""What every model that is solved shares: it is stepped as a training by gradients is."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from hnlm_ray.base.errors import DivergedError, InputError
from hnlm_ray.cf.data.cf_data import CFData, with_validation_in_train
from hnlm_ray.cf.evaluate.evaluation import Evaluation, evaluate
from hnlm_ray.cf.kernels.devices import open_device
from hnlm_ray.cf.scoring import Scorer
from hnlm_ray.cf.settings import check_seed, check_state
from hnlm_ray.cf.trainable import EpochReport
from hnlm_ray.config import CFConfig

OF_GRADIENTS: Final = (
    *("sampler", "loss", "reg", "optimiser", "schedule", "warm_up", "precision", "gradients"),
    *("guard", "pool_share", "graph", "bias", "softmax.distill"),
)
"""Settings that say how gradients train, and that could be believed to change a solution."""


class Solved:
    """A model that is solved in sweeps; a subclass says what a sweep is, what it learns and what ranks.

    Parameters
    ----------
    data
        With ``config.validation == 'none'`` its validation positives join the training ones.
    seed
        Draws the start, where there is one.
    device
        A torch device.

    Attributes
    ----------
    tensors
        What is learnt, by name. They are replaced, never written into: what was handed out stays as it is.
    reads_settings
        The settings within ``cf`` that not every model reads; a section stands for all of it.
    skipped_pairs
        Always 0: nothing is drawn, so a user who has every item is one like the others.

    Raises
    ------
    InputError
        There is no pair to train on, the data lacks what a setting needs, or a setting would be ignored.
    """

    reads_settings: ClassVar[tuple[str, ...]] = ()
    remedy = "raise its reg"

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        self.data = with_validation_in_train(data) if config.validation == "none" else data
        self.config, self.seed, self.device = config, seed, open_device(device)
        self.epoch, self.skipped_pairs = 0, 0
        check_seed(seed)
        reject_gradient_settings(config)
        if len(self.data.train) == 0:
            raise InputError("there is no training pair to solve for; give more data")
        self.tensors: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Whether a further epoch would change nothing."""
        return False

    def solve(self) -> float:
        """Do a sweep and return its objective, or what is not finite where it can't be solved."""
        raise NotImplementedError

    def scorer(self) -> Scorer:
        """Return what ranks now."""
        raise NotImplementedError

    def run_epoch(self) -> EpochReport:
        """Do a sweep; the loss is the objective per training pair. DivergedError where it is not finite."""
        started = time.perf_counter()
        loss = self.solve() / len(self.data.train)
        self.epoch += 1
        finite = all(bool(torch.isfinite(tensor).all()) for tensor in self.tensors.values())
        if not finite or not math.isfinite(loss):
            raise DivergedError(f"epoch {self.epoch} of {self.config.model} is not finite (loss {loss}); {self.remedy}")
        return EpochReport(self.epoch, loss, time.perf_counter() - started)

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with what is solved now; see :func:`hnlm_ray.cf.evaluate`."""
        return evaluate(self.scorer(), self.data, split, cutoffs)

    def weights(self) -> dict[str, Any]:
        """Return what is learnt (no copies)."""
        return {"model": dict(self.tensors)}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Take over what :meth:`weights` returned; InputError where its shapes are others."""
        check_state(self.tensors, weights["model"])
        self.tensors = {name: tensor.to(self.device) for name, tensor in weights["model"].items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs: what is learnt, and the epoch."""
        return {"epoch": self.epoch, **self.weights()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (same data and config); InputError where it doesn't fit."""
        if missing := {"epoch", "model"} - state.keys():
            raise InputError(f"the saved state lacks {', '.join(sorted(missing))}; load what state_dict returned")
        self.load_weights(state)
        self.epoch = state["epoch"]


def _told(config: CFConfig) -> str:
    return f" by the settings in cf.{config.model}" if config.model in CFConfig.model_fields else ", by no setting"


def reject_gradient_settings(config: CFConfig) -> None:
    """Raise InputError where a setting of the training by gradients is changed: a solved model would ignore it."""
    for name in OF_GRADIENTS:
        given, default = (operator.attrgetter(name)(one) for one in (config, CFConfig()))
        if given != default:
            raise InputError(
                f"cf.{name} {given!r} is of training by gradients, and {config.model} is solved{_told(config)}; "
                f"leave it at {default!r}"
            )
