"""One CF training, an epoch at a time: a tuner can drive it, and it resumes bit for bit.

When a training by gradients has diverged, and how it is told: the epoch, the learning rate and what to do.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.base.errors import DivergedError
from hnlm_ray.base.outside import is_outside
from hnlm_ray.cf.data.batches import Batch, TrainingPairs
from hnlm_ray.cf.data.cf_data import CFData, with_validation_in_train
from hnlm_ray.cf.evaluate.evaluation import Evaluation, evaluate
from hnlm_ray.cf.kernels.devices import keep_freed_memory, open_device
from hnlm_ray.cf.kernels.optimisers import learning_rate
from hnlm_ray.cf.kernels.rows import ranked_by_cosine
from hnlm_ray.cf.losses import PAIR_LOSSES
from hnlm_ray.cf.models import EmbeddingModel, ModelInputs, model_class
from hnlm_ray.cf.objectives import LOSSES, CatalogueObjective, Objective, ObjectiveInputs
from hnlm_ray.cf.objectives.adapted import AdaptedNegatives
from hnlm_ray.cf.objectives.tiers import TextTiers
from hnlm_ray.cf.samplers import Sampler, SamplerInputs, sampler_class
from hnlm_ray.cf.samplers.base import check_negatives
from hnlm_ray.cf.scoring import EmbeddingScores
from hnlm_ray.cf.settings import check_seed, check_state, check_trained_by, trained_by
from hnlm_ray.cf.trainable import EpochReport
from hnlm_ray.cf.training.settings_read import reject_ignored_settings
from hnlm_ray.cf.training.steps import (
    AutogradSteps,
    CatalogueSteps,
    ClosedSteps,
    RowwiseSteps,
    SomeRowsSteps,
    has_closed_form,
    is_linear,
    pays_by_rows,
    pays_rowwise,
)
from hnlm_ray.config import CFConfig

GROWTH: Final = 1000.0


class DivergenceWatch:
    """Tells a diverged training by its loss, or by embeddings that can't be ranked by.

    A loss has diverged where it is not finite, or above a thousand times (1 + that of the first step): Adam moves by
    about lr a step at most, so that a rate far too high gives huge losses, which stay finite.

    Attributes
    ----------
    first
        The loss of the first step, a scalar; none before it.
    """

    def __init__(self, config: CFConfig) -> None:
        self.config = config
        self.first: Tensor | float | None = None

    def see(self, loss: Tensor) -> None:
        """Take the loss of a step, a scalar without gradient."""
        if self.first is None:
            self.first = loss

    def check_loss(self, loss: float, epoch: int, lr: float) -> None:
        """Raise DivergedError where the mean loss of an epoch has diverged."""
        self.first = first = float(loss if self.first is None else self.first)
        told = f"with cf.lr {lr:g} and cf.reg {self.config.reg:g}; lower cf.lr"
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {epoch} is {loss} {told}")
        if loss > GROWTH * (1 + abs(first)):
            raise DivergedError(f"the loss of epoch {epoch} is {loss:.3g}, after {first:.3g} in its first step, {told}")

    def check_scores(self, scores: EmbeddingScores, epoch: int, lr: float) -> None:
        """Raise DivergedError where the embeddings after an epoch, or their products, are not finite."""
        try:
            scores.check()
        except DivergedError as error:
            raise DivergedError(f"after epoch {epoch} with cf.lr {lr:g} {error}") from error


STREAMS: Final = ("start", "shuffle", "sampling", "pool", "adapter", "noise", "tiers")
"""What draws at random; a new one comes last, so that a seed keeps meaning what it meant."""


class Trainer:
    """Trains one model by gradients; :func:`hnlm_ray.cf.train` adds early stopping.

    Parameters
    ----------
    data
        With ``config.validation == 'none'`` its validation positives join the training ones.
    seed
        Spawns independent streams for the model's start, shuffling, sampling, the pool, the adapter's start and
        the model's noise and its tiers.
    device
        A torch device; tables are float32 everywhere.

    Attributes
    ----------
    skipped_pairs
        Training pairs of users who have a positive with every item: no negative exists for them.
    adapted
        The adapter and how far it has moved (``adapted.shift``); none unless the sampler adapts vectors.
    sampler
        What draws negatives; none for a loss that takes the whole catalogue.

    Raises
    ------
    InputError
        There is no pair to train on, the data lacks what a setting needs, a setting would be ignored, or the seed
        or the device can't be used.
    """

    finished = False

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        self.data = with_validation_in_train(data) if config.validation == "none" else data
        kind = model_class(config.model)
        config = with_start(config, self.data.users + self.data.items, as_lightgcn=kind.starts_as_lightgcn)
        self.config, self.device, self.epoch = config, open_device(device), 0
        if self.device.type == "cpu":
            keep_freed_memory()
        reject_ignored_settings(config)
        start, adapter, self._generators = _generators(seed, self.device)
        streams = self._generators
        self.pairs = TrainingPairs(self.data, self.device)
        self.skipped_pairs = self.pairs.skipped
        inputs = ModelInputs(self.data, config, start, streams["noise"], self.device)
        self.model: EmbeddingModel = kind(inputs)
        self.adapted = None
        if sampler_class(config.sampler).adapts_vectors:
            self.adapted = AdaptedNegatives(self.data, config, self.model.width, adapter, self.device)
        tiers = TextTiers(self.data, config, streams["tiers"], self.device) if config.tiers else None
        inputs_of_loss = ObjectiveInputs(self.data, config, self.model, self.adapted, tiers)
        self.objective: Objective = LOSSES[config.loss](inputs_of_loss)
        self.sampler = self._open_sampler() if self.objective.draws else None
        self.steps = self._open_steps()
        self.divergence = DivergenceWatch(config)
        if is_outside(config.sampler):
            self._try_sampler()

    @torch.no_grad()
    def _try_sampler(self) -> None:
        """Look at what a sampler of another package gives for one batch; afterwards all is as it was."""
        with self.drawing_apart(0) as sampler:
            if sampler is not None:
                batch, hops = next(self._batches()), self.model.hops() if sampler.reads == "hops" else None
                given = sampler.sample(batch, self.model() if hops is None else hops)
                check_negatives(self.config.sampler, given, sampler, batch, self.data.items)

    def _open_sampler(self) -> Sampler:
        count = self.config.softmax.negatives if self.config.loss == "sampled_softmax" else None
        sampling, pool = self._generators["sampling"], self._generators["pool"]
        inputs = SamplerInputs(self.data, self.config, sampling, pool, self.device, count)
        return sampler_class(self.config.sampler).open(inputs)

    def _open_steps(self) -> AutogradSteps | RowwiseSteps:
        written_out = self.config.gradients == "closed"
        if written_out and self.sampler is not None and has_closed_form(self.model, self.config):
            if pays_rowwise(self.model, self.sampler, self.config):
                return RowwiseSteps(self.model, self.sampler)
            if pays_by_rows(self.model, self.sampler, self.config):
                return SomeRowsSteps(self.model, self.sampler, self.objective)
            return ClosedSteps(self.model, self.sampler, self.objective)
        if written_out and isinstance(self.objective, CatalogueObjective) and is_linear(self.model, self.config):
            return CatalogueSteps(self.model, self.objective)
        return AutogradSteps(self.model, self.sampler, self.objective, self.adapted)

    def run_epoch(self) -> EpochReport:
        """Train on every pair once, in a new order; DivergedError where the loss has diverged."""
        started = time.perf_counter()
        self.model.train()
        self.model.start_epoch()
        lr = learning_rate(self.config, self.epoch)
        self.steps.set_lr(lr)
        total = torch.zeros((), device=self.device)
        for batch in self._batches():
            step_loss = self._step(batch)
            self.divergence.see(step_loss)
            total += step_loss * len(batch.users)
        self.steps.end_epoch()
        # Noise, dropout and masks are for steps alone: what looks at the model between epochs sees it as it ranks.
        self.model.eval()
        loss = float(total) / len(self.pairs)
        self.epoch += 1
        self.divergence.check_loss(loss, self.epoch, lr)
        if self.sampler is not None:
            with torch.no_grad():
                self.sampler.end_epoch(self.model())
        return EpochReport(self.epoch, loss, time.perf_counter() - started)

    def _batches(self) -> Iterator[Batch]:
        shuffle, size = self._generators["shuffle"], self.config.batch_size
        return self.pairs.of_users(shuffle, size) if self.objective.whole_users else self.pairs.batches(shuffle, size)

    def _step(self, batch: Batch) -> Tensor:
        return self.steps.step(batch)

    @contextmanager
    def drawing_apart(self, seed: int) -> Iterator[Sampler | None]:
        """Give the sampler between two epochs, drawing from streams of ``seed``; afterwards all is as it was."""
        kept = {name: generator.get_state() for name, generator in self._generators.items()}
        state = None if self.sampler is None else copy.deepcopy(self.sampler.state_dict())
        for generator, own in zip(self._generators.values(), _seeds(seed, len(kept)), strict=True):
            generator.manual_seed(own)
        try:
            yield self.sampler
        finally:
            for name, generator in self._generators.items():
                generator.set_state(kept[name])
            if self.sampler is not None and state is not None:
                self.sampler.load_state_dict(state)

    def scorer(self) -> EmbeddingScores:
        """Return copies of the current embeddings, as they rank (:func:`~hnlm_ray.cf.kernels.rows.ranked_by_cosine`).

        DivergedError where they can't be ranked by.
        """
        users, items = self.model.embeddings()
        lr = learning_rate(self.config, max(0, self.epoch - 1))
        self.divergence.check_scores(EmbeddingScores(users, items), self.epoch, lr)
        if self.objective.cosine:
            users, items = ranked_by_cosine(users, items, self.objective.magnitude)
        return EmbeddingScores(users, items)

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with the current embeddings; see :func:`hnlm_ray.cf.evaluate`."""
        return evaluate(self.scorer(), self.data, split, cutoffs)

    def weights(self) -> dict[str, Any]:
        """Return what is learnt: the model's parameters, and the adapter's where there is one (no copies)."""
        adapter = {} if self.adapted is None else {"adapted": self.adapted.state_dict()}
        return {"model": self.model.state_dict(), **adapter}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Take over what :meth:`weights` returned; InputError where its shapes are others."""
        check_state(self.model.state_dict(), weights["model"])
        self.model.load_state_dict(weights["model"])
        if self.adapted is not None:
            self.adapted.load_state_dict(weights["adapted"])

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs, between two epochs: weights, optimiser, random streams, epoch."""
        return {
            "trained_by": trained_by(self.config),
            "epoch": self.epoch,
            "first_loss": None if self.divergence.first is None else float(self.divergence.first),
            **self.weights(),
            "optimiser": self.steps.state_dict(),
            "sampler": {} if self.sampler is None else self.sampler.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self._generators.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (same data, config and device); InputError where it doesn't fit."""
        check_trained_by(self.config, state)
        self.load_weights(state)
        self.epoch, self.divergence.first = state["epoch"], state["first_loss"]
        self.steps.load_state_dict(state["optimiser"])
        if self.sampler is not None:
            self.sampler.load_state_dict(state["sampler"])
        for name, generator in self._generators.items():
            generator.set_state(state["generators"][name].cpu())


def _generators(seed: int, device: torch.device) -> tuple[torch.Generator, torch.Generator, dict[str, torch.Generator]]:
    check_seed(seed)
    seeds = dict(zip(STREAMS, _seeds(seed, len(STREAMS)), strict=True))
    # Starts are drawn on the CPU, so that a seed means the same model and adapter on every device.
    start, adapter = (torch.Generator("cpu").manual_seed(seeds.pop(name)) for name in ("start", "adapter"))
    return start, adapter, {name: torch.Generator(device).manual_seed(own) for name, own in seeds.items()}


def _seeds(seed: int, count: int) -> list[int]:
    """Return the seeds of independent streams."""
    children = np.random.SeedSequence(seed).spawn(count)
    return [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children]


LARGE: Final = 50_000


def with_start(config: CFConfig, nodes: int, *, as_lightgcn: bool) -> CFConfig:
    """Return the settings with ``auto`` resolved for ``nodes`` users and items together, as the model's class says.

    Xavier's uniform start, but for LightGCN (and LightGCN with text, or text's worth would be that of a start) with a
    pair loss on a large graph its authors' own, N(0, 0.1^2), which they chose on graphs of 69,000 to 144,000 nodes:
    docs/cf.md has what both gave.
    """
    if config.init != "auto":
        return config
    large = as_lightgcn and config.loss in PAIR_LOSSES and nodes > LARGE
    return config.model_copy(update={"init": "normal", "init_std": 0.1} if large else {"init": "xavier_uniform"})
