"""One CF training, an epoch at a time: a tuner can drive it, and it resumes bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hnlm_ray.cf.data import CFData, with_validation_in_train
from hnlm_ray.cf.errors import DivergedError
from hnlm_ray.cf.evaluation import Evaluation, evaluate
from hnlm_ray.cf.gather import gather_rows
from hnlm_ray.cf.losses import LOSSES, l2
from hnlm_ray.cf.models import MODELS
from hnlm_ray.cf.samplers import SAMPLERS, Batch, Negatives, SamplerInputs
from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch: its number (1 is the first), mean loss over its pairs (L2 included), seconds."""

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
        Spawns independent streams for initialisation, shuffling, sampling and the pool.
    device
        A torch device; float32 everywhere.

    Attributes
    ----------
    skipped_pairs
        Training pairs of users who have a positive with every item: no negative exists for them.

    Raises
    ------
    InputError
        There is no pair to train on, or the sampler needs a pool that is absent.
    """

    def __init__(self, data: CFData, config: CFConfig, seed: int, device: str = "cpu") -> None:
        self.data = with_validation_in_train(data) if config.validation == "none" else data
        self.config, self.device, self.epoch = config, torch.device(device), 0
        initial, self._generators = _generators(seed, self.device)
        self.model = MODELS[config.model](self.data, config, initial, self.device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=config.lr, fused=True)
        sampling, pool = self._generators["sampling"], self._generators["pool"]
        self.sampler = SAMPLERS[config.sampler](SamplerInputs(self.data, config, sampling, pool, self.device))
        self._load_pairs()

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
        rows = _triples(final, batch, negatives, self.data.users)
        layer_0 = rows if final is self.model.table else _triples(self.model.table, batch, negatives, self.data.users)
        loss = LOSSES[self.config.loss](*rows) + self.config.reg * l2(*layer_0)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves Tensor.backward unannotated
        self.optimiser.step()
        return loss.detach()

    def evaluate(self, split: str = "validation", cutoffs: Sequence[int] = (10, 20)) -> Evaluation:
        """Rank with the current embeddings; see :func:`hnlm_ray.cf.evaluate`."""
        return evaluate(*self.model.embeddings(), self.data, split, cutoffs)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs: model, optimiser, random streams, epoch."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self._generators.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (same data, config and device)."""
        self.epoch = state["epoch"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, generator in self._generators.items():
            generator.set_state(state["generators"][name].cpu())


def _generators(seed: int, device: torch.device) -> tuple[torch.Generator, dict[str, torch.Generator]]:
    first, *rest = (
        int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in np.random.SeedSequence(seed).spawn(4)
    )
    # The start is drawn on the CPU, so that a seed means the same model on every device.
    initial = torch.Generator("cpu").manual_seed(first)
    names = ("shuffle", "sampling", "pool")
    streams = {name: torch.Generator(device).manual_seed(seed) for name, seed in zip(names, rest, strict=True)}
    return initial, streams


def _triples(table: Tensor, batch: Batch, negatives: Negatives, users: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of users, positives and (mixed) negatives, float32[batch, dim] each."""
    index = [batch.users, users + batch.items, users + negatives.items]
    if negatives.pool_items is not None:
        index.append(users + negatives.pool_items)
    user, positive, negative, *pool = gather_rows(table, *index)
    if pool and negatives.mix is not None:
        mix = negatives.mix[:, None]
        negative = mix * pool[0] + (1 - mix) * negative
    return user, positive, negative
