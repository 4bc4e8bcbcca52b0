"""One CF training, an epoch at a time: a tuner can drive it, and it resumes bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hnlm_ray.cf.adapted import AdaptedNegatives
from hnlm_ray.cf.data import CFData, with_validation_in_train
from hnlm_ray.cf.errors import DivergedError
from hnlm_ray.cf.evaluation import Evaluation, evaluate
from hnlm_ray.cf.models import MODELS
from hnlm_ray.cf.objective import Objective
from hnlm_ray.cf.samplers import SAMPLERS, Batch, SamplerInputs
from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch: its number (1 is the first), mean loss over its pairs (all terms), seconds."""

    epoch: int
    loss: float
    seconds: float


class Trainer:
    """Trains one model; :func:`hnlm_ray.cf.train` adds early stopping.

    Parameters
    ----------
    data
        With ``config.validation == 'none'`` its validation positives join the training ones.
    seed
        Spawns independent streams for the model's start, shuffling, sampling, the pool and the adapter's start.
    device
        A torch device; float32 everywhere.

    Attributes
    ----------
    skipped_pairs
        Training pairs of users who have a positive with every item: no negative exists for them.
    adapted
        The adapter and how far it has moved (``adapted.shift``); none unless the sampler is ``vectors``.

    Raises
    ------
    InputError
        There is no pair to train on, the data lacks what a setting needs, or a setting would be ignored.
    """

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        self.data = with_validation_in_train(data) if config.validation == "none" else data
        self.config, self.device, self.epoch = config, torch.device(device), 0
        initial, start_of_adapter, self._generators = _generators(seed, self.device)
        reject_ignored_settings(config)
        self.model = MODELS[config.model](self.data, config, initial, self.device)
        sampling, pool = self._generators["sampling"], self._generators["pool"]
        self.sampler = SAMPLERS[config.sampler](SamplerInputs(self.data, config, sampling, pool, self.device))
        of_vectors = config.sampler == "vectors"
        self.adapted = AdaptedNegatives(self.data, config, start_of_adapter, self.device) if of_vectors else None
        self.objective = Objective(config, self.model, self.adapted)
        self.optimiser = torch.optim.Adam(self._trained_parameters(), lr=config.lr, fused=True)
        self._load_pairs()

    def _trained_parameters(self) -> list[nn.Parameter]:
        modules = [self.model] if self.adapted is None else [self.model, self.adapted.adapter]
        return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]

    def _load_pairs(self) -> None:
        users, items = self.data.train.pairs()
        edges = np.flatnonzero(self.data.train.degree[users] < self.data.items)
        self.skipped_pairs = len(users) - len(edges)
        if len(edges) == 0:
            raise InputError("there is no training pair whose user has an unobserved item; give more data")
        self._users = torch.from_numpy(users.astype(np.int64)).to(self.device)
        self._items = torch.from_numpy(items.astype(np.int64)).to(self.device)
        self._edges = torch.from_numpy(edges).to(self.device)

    def run_epoch(self) -> EpochReport:
        """Train on every pair once, in a new order; DivergedError where the loss is not finite."""
        started = time.perf_counter()
        total = torch.zeros((), device=self.device)
        for batch in self._batches():
            total += self._step(batch) * len(batch.users)
        loss = float(total) / len(self._edges)
        self.epoch += 1
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss of epoch {self.epoch} is {loss} with cf.lr {self.config.lr} and cf.reg {self.config.reg}; "
                "lower cf.lr"
            )
        return EpochReport(self.epoch, loss, time.perf_counter() - started)

    def _batches(self) -> Iterator[Batch]:
        shuffle = self._generators["shuffle"]
        order = torch.randperm(len(self._edges), generator=shuffle, device=self.device)
        for edges in torch.split(self._edges[order], self.config.batch_size):
            yield Batch(self._users[edges], self._items[edges], edges)

    def _step(self, batch: Batch) -> Tensor:
        self.optimiser.zero_grad()
        final = self.model()
        negatives = self.sampler.sample(batch, final.detach())
        loss = self.objective(final, batch, negatives)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves Tensor.backward unannotated
        self.optimiser.step()
        return loss.detach()

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with the current embeddings; see :func:`hnlm_ray.cf.evaluate`."""
        return evaluate(*self.model.embeddings(), self.data, split, cutoffs)

    def weights(self) -> dict[str, Any]:
        """Return what is learnt: the model's parameters, and the adapter's where there is one (no copies)."""
        adapter = {} if self.adapted is None else {"adapted": self.adapted.state_dict()}
        return {"model": self.model.state_dict(), **adapter}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Take over what :meth:`weights` returned."""
        self.model.load_state_dict(weights["model"])
        if self.adapted is not None:
            self.adapted.load_state_dict(weights["adapted"])

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs: weights, optimiser, random streams, epoch."""
        return {
            "epoch": self.epoch,
            **self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self._generators.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (same data, config and device)."""
        self.epoch = state["epoch"]
        self.load_weights(state)
        self.optimiser.load_state_dict(state["optimiser"])
        for name, generator in self._generators.items():
            generator.set_state(state["generators"][name].cpu())


def reject_ignored_settings(config: CFConfig) -> None:
    """Raise InputError where a setting would change nothing: a guard without DNS, a graph without LightGCN."""
    sampled_by = config.base_sampler if config.sampler in {"pool", "vectors"} else config.sampler
    if config.guard and sampled_by != "dns":
        raise InputError(f"cf.guard {config.guard} guards the candidates of dns, not {sampled_by!r}; use dns or 0")
    if config.graph and config.model != "lightgcn":
        raise InputError(f"cf.graph {config.graph} is part of lightgcn, not of {config.model!r}; use lightgcn or 0")


def _generators(seed: int, device: torch.device) -> tuple[torch.Generator, torch.Generator, dict[str, torch.Generator]]:
    children = np.random.SeedSequence(seed).spawn(5)
    model, *rest, adapter = (int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children)
    names = ("shuffle", "sampling", "pool")
    streams = {name: torch.Generator(device).manual_seed(seed) for name, seed in zip(names, rest, strict=True)}
    # Starts are drawn on the CPU, so that a seed means the same model and adapter on every device.
    return torch.Generator("cpu").manual_seed(model), torch.Generator("cpu").manual_seed(adapter), streams
