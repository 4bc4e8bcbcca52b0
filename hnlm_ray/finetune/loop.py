"""The training loop of one Ray Train worker: DeepSpeed around the model, a checkpoint every few steps."""

from __future__ import annotations

import logging
import math
import os
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.base.text import first_line
from hnlm_ray.cf import DivergedError
from hnlm_ray.config import Config, FinetuneConfig
from hnlm_ray.finetune.baselines import Ridge, probe, start_head
from hnlm_ray.finetune.batches import Batch, Plan, Records, contrastive_loss, learning_rate_factor, read_records, shares
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.model import HardNegativeModel, new_model, query_encoder, trained_buffers, trained_parameters
from hnlm_ray.finetune.query import Query

log = logging.getLogger(__name__)
LogRow = dict[str, float | int | None]
TRAINED_FILE = "trained.safetensors"
_TAG = "deepspeed"
_LOWER_RATES = "lower finetune.lr or finetune.new_lr"


def deepspeed_settings(config: FinetuneConfig) -> dict[str, Any]:
    """Return DeepSpeed's configuration."""
    zero: dict[str, Any] = {"stage": config.zero_stage}
    if config.offload == "cpu":
        zero["offload_optimizer"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": config.micro_batch,
        "gradient_accumulation_steps": config.batch_size // (config.workers * config.micro_batch),
        "zero_optimization": zero,
        "bf16": {"enabled": config.precision == "bfloat16"},
        "fp16": {"enabled": config.precision == "float16"},
        "gradient_clipping": 1.0,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


class Vectors(Protocol):
    """What computes the vectors of hard negatives: the model, or DeepSpeed's engine around it."""

    def __call__(self, queries: Sequence[Query], users: Tensor, items: Tensor) -> Tensor:
        """Return float32[batch, k], as :meth:`HardNegativeModel.forward`."""
        ...


class Engine(Vectors, Protocol):
    """What is used of DeepSpeed's engine, which has no types."""

    optimizer: torch.optim.Optimizer

    def backward(self, loss: Tensor) -> object:
        """Add a micro-batch's gradients."""

    def step(self) -> object:
        """Count a micro-batch; after the last of a step its gradients change the weights."""

    def save_checkpoint(self, save_dir: str, *, tag: str, exclude_frozen_parameters: bool) -> object:
        """Write this worker's part of weights and optimiser."""

    def load_checkpoint(self, load_dir: str, *, tag: str, load_module_strict: bool) -> object:
        """Read them again."""


@dataclass
class StartingWorker:
    """What one worker measures with before it trains: the plain model."""

    config: Config
    checkpoints: Checkpoints
    model: HardNegativeModel
    train: Records
    held_out: Records
    plan: Plan
    rank: int
    device: torch.device
    rows: list[LogRow] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def vectors(self) -> Vectors:
        """What computes a batch."""
        return self.model

    @property
    def settings(self) -> FinetuneConfig:
        """The fine-tuning's part of the configuration."""
        return self.config.finetune

    @property
    def averaged(self) -> int:
        """Over how many backward passes of a step DeepSpeed averages: micro-batches of a worker times workers."""
        return self.plan.batch // self.plan.micro

    def batches(self, records: Records, plan: Plan, step: int) -> Iterator[Batch]:
        """Yield the micro-batches of a step that this worker computes; each has the negatives of the whole step."""
        whole = records.whole(plan.records_of(step)).to(self.device)
        for chosen in plan.micro_batches(step, self.rank):
            yield records.batch(chosen, whole)

    def loss(self, batch: Batch) -> Tensor:
        """Return what the batch's records add to the loss of their step."""
        here = batch.to(self.device)
        return contrastive_loss(self.vectors(here.queries, here.users, here.items), here, self.settings.temperature)


@dataclass(kw_only=True)
class Worker(StartingWorker):
    """What one worker trains with; the model's weights may be spread over workers, and DeepSpeed gathers them."""

    engine: Engine

    @property
    def vectors(self) -> Vectors:
        """See :class:`StartingWorker`."""
        return self.engine


def start_worker(config: Config, checkpoints: Checkpoints, rank: int, device: torch.device) -> Worker:
    """Build model and records, the same on every worker; without a checkpoint the head gets its start.

    The log then begins with rows -1 and 0, which are measurements: of the model as it came, and with that head.
    """
    workspace, settings = checkpoints.workspace, config.finetune
    encoder = query_encoder(config)
    rivals = settings.rival_targets
    train, held_out = (read_records(workspace, split, encoder, rival_targets=rivals) for split in ("train", "held_out"))
    model = new_model(config, train.users.shape[1], config.seed).to(device)
    plan = Plan(len(train), settings.epochs, settings.batch_size, settings.micro_batch, settings.workers, config.seed)
    start = StartingWorker(config, checkpoints, model, train, held_out, plan, rank, device)
    if checkpoints.latest() is None:
        fitted = _probe(start)
        for step, how in ((-1, "random"), (0, settings.head_start)):
            start_head(model.head, fitted, how)
            _log(start, step, None, held_out_loss(start), 0)
    return Worker(**vars(start), engine=_wrapped(model, settings))


def _wrapped(model: HardNegativeModel, settings: FinetuneConfig) -> Engine:
    import deepspeed

    # Else DeepSpeed compiles it on first use, for which a machine needs a C++ compiler; gloo does as well.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    groups = [
        {"params": [p for name, p in trained_parameters(model) if is_new == _is_new(name)], "full_lr": lr}
        for is_new, lr in ((False, settings.lr), (True, settings.new_lr))
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
    engine: Engine = deepspeed.initialize(model=model, optimizer=optimiser, config=deepspeed_settings(settings))[0]
    return engine


@torch.no_grad()
def _probe(worker: StartingWorker) -> Ridge:
    """Fit the probe of the untuned LLM, each worker computing the states of its share of the records."""
    model = worker.model.eval()
    states = torch.zeros(len(worker.train), model.head.linear.in_features, device=worker.device)
    for chosen in shares(len(worker.train), worker.settings.micro_batch, worker.plan.workers, worker.rank):
        if chosen:
            batch = worker.train.batch(chosen).to(worker.device)
            states[chosen] = model.states(batch.queries, batch.users, batch.items)
    dist.all_reduce(states)
    model.train()
    return probe(states.cpu().numpy(), worker.train)


def _is_new(name: str) -> bool:
    return name.startswith(("projector.", "head."))


def train_from(worker: Worker, first: int) -> Iterator[LogRow]:
    """Train from a step on (0 is the first); yields the log's row of each finished step, checkpointed or not.

    Raises
    ------
    DivergedError
        The loss is not finite; the same on every worker.
    """
    for step in range(first, worker.plan.steps):
        _set_learning_rates(worker, step)
        loss, tokens = _step(worker, step)
        done = step + 1
        if not math.isfinite(loss):  # summed over the workers: each of them stops here
            raise DivergedError(f"the fine-tuning diverged at step {done}: {_LOWER_RATES}")
        measured = held_out_loss(worker) if done % worker.plan.steps_per_epoch == 0 else None
        yield _log(worker, done, loss, measured, tokens)


def _step(worker: Worker, step: int) -> tuple[float, int]:
    # Dropout's stream belongs to the step, so that a resumed training draws what the first one drew.
    torch.manual_seed(int(np.random.SeedSequence([worker.plan.seed, step, worker.rank]).generate_state(1)[0]))
    total, tokens = torch.zeros((), device=worker.device), 0
    for batch in worker.batches(worker.train, worker.plan, step):
        loss = worker.loss(batch)
        worker.engine.backward(loss * worker.averaged)  # the parts' gradients are to be added, not averaged
        worker.engine.step()
        total += loss.detach()
        tokens += batch.tokens
    loss_sum, token_sum = _summed(worker, total, tokens)
    return loss_sum, int(token_sum)


@torch.no_grad()
def held_out_loss(worker: StartingWorker) -> float:
    """Return the mean of the training loss over the steps of one epoch of the held-out records; all workers take part.

    Their order is drawn by the seed, the same each time, and the last step is filled up as in training.
    """
    plan = replace(worker.plan, records=len(worker.held_out), epochs=1)
    worker.model.eval()
    total = torch.zeros((), device=worker.device)
    for step in range(plan.steps):
        for batch in worker.batches(worker.held_out, plan, step):
            total += worker.loss(batch)
    worker.model.train()
    return _summed(worker, total, 0)[0] / plan.steps


def _summed(worker: StartingWorker, first: Tensor, second: float) -> tuple[float, float]:
    both = torch.stack([first.double(), torch.tensor(float(second), dtype=torch.float64, device=worker.device)])
    dist.all_reduce(both)
    return float(both[0]), float(both[1])


def _set_learning_rates(worker: Worker, step: int) -> None:
    for group in worker.engine.optimizer.param_groups:
        group["lr"] = group["full_lr"] * _factor(worker, step)


def _factor(worker: StartingWorker, step: int) -> float:
    return learning_rate_factor(step, worker.plan.steps, worker.settings.warmup)


def _log(worker: StartingWorker, step: int, loss: float | None, held_out: float | None, tokens: int) -> LogRow:
    row: LogRow = {
        "step": step,
        "epoch": step / worker.plan.steps_per_epoch,
        "loss": loss,
        "held_out_loss": held_out,
        "lr": worker.settings.lr * _factor(worker, step - 1) if step > 0 else 0.0,
        "tokens": tokens,
        "seconds": round(time.monotonic() - worker.started, 3),
    }
    worker.rows.append(row)
    return row


def save(worker: Worker, step: int) -> None:
    """Write a checkpoint; returns on each worker when it counts."""
    with tempfile.TemporaryDirectory(prefix="hnlm-checkpoint-") as local:
        worker.engine.save_checkpoint(local, tag=_TAG, exclude_frozen_parameters=True)
        worker.checkpoints.upload(step, local)
    dist.barrier()
    if worker.rank == 0:
        worker.checkpoints.commit(step, worker.plan.workers)
    dist.barrier()


_UNREADABLE = (RuntimeError, ValueError, LookupError, EOFError, AttributeError, TypeError, pickle.UnpicklingError)
"""What torch and DeepSpeed raise of a file that is not what they wrote."""


def restore(worker: Worker) -> int:
    """Go on from the latest checkpoint; returns the step to train next.

    Raises
    ------
    WorkspaceError
        When a file of it can't be read as what was written.
    """
    found = worker.checkpoints.latest()
    if found is None:
        return 0
    with tempfile.TemporaryDirectory(prefix="hnlm-checkpoint-") as local:
        folder = worker.checkpoints.download(found, local)
        try:
            worker.engine.load_checkpoint(folder, tag=_TAG, load_module_strict=False)
        except torch.OutOfMemoryError:
            raise
        except _UNREADABLE as error:
            raise WorkspaceError(
                f"the checkpoint of step {found.step} in {worker.checkpoints.folder} is damaged ({first_line(error)}): "
                "remove that folder and run the same command again, it then begins anew"
            ) from error
    log.warning("fine-tuning goes on after step %d", found.step)
    return found.step


def save_trained(worker: Worker, folder: str) -> None:
    """Write the trained weights, whole, from the first worker; with ZeRO 3 the others give their shards."""
    import deepspeed
    from safetensors.torch import save_file

    weights: dict[str, Tensor] = {}
    for name, parameter in trained_parameters(worker.model):
        with deepspeed.zero.GatheredParameters([parameter], enabled=worker.settings.zero_stage == 3):
            if worker.rank == 0:
                weights[name] = parameter.detach().float().cpu().clone()
    if worker.rank == 0:
        # As they are: the head's statistics are bits of numbers, which a cast would destroy.
        buffers = {name: value.detach().cpu().clone() for name, value in trained_buffers(worker.model).items()}
        save_file(weights | buffers, os.path.join(folder, TRAINED_FILE))
    dist.barrier()


def log_rows_since(rows: Sequence[LogRow], step: int) -> list[LogRow]:
    """Return the rows after a step; for 0 all of them, with the measurements before the first step."""
    return [row for row in rows if step == 0 or int(row["step"] or 0) > step]
