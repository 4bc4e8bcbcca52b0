"""``hnlm cf train``: one training from a folder of interactions, without a run or a cluster.

Progress of a training alone, on standard error.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hnlm_ray.base.outside import is_outside, source_hash
from hnlm_ray.commands.cf.checkpoint import FileCheckpoints
from hnlm_ray.commands.cf.request import Plan, Request, given_settings, plan
from hnlm_ray.commands.cf.result import describe, figures, rounded, show
from hnlm_ray.commands.invocation import Invocation
from hnlm_ray.commands.output import Output, open_console
from hnlm_ray.config import CFConfig

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData, EpochReport, Scorer, Training


LINE_EVERY_S: Final = 10.0


class EpochProgress:
    """A bar on a terminal, elsewhere a line every ten seconds: epochs, loss and the metric on validation."""

    def __init__(self, model: str, epochs: int, metric: str) -> None:
        self.console, self.epochs, self.metric = open_console(stderr=True), epochs, metric
        self.said, self.best = time.monotonic(), float("-inf")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )
        live = self.console.is_terminal
        self.bars = Progress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.console, disable=not live
        )
        self.task = self.bars.add_task(model, total=epochs, told="")

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def add(self, report: EpochReport, means: Mapping[str, float] | None) -> None:
        """Take a finished epoch."""
        told = f"loss {report.loss:.4f}"
        if means is not None:
            self.best = max(self.best, means[self.metric])
            told += f", {self.metric} {means[self.metric]:.4f} (best {self.best:.4f})"
        self.bars.update(self.task, completed=report.epoch, told=told)
        if not self.console.is_terminal and time.monotonic() - self.said >= LINE_EVERY_S:
            self.said = time.monotonic()
            self.console.print(f"epoch {report.epoch}/{self.epochs}: {told}, {report.seconds:.1f} s")


RSS_UNITS = 2**20 if sys.platform == "darwin" else 2**10
"""Of ``ru_maxrss`` in a MiB."""
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_OF_SECOND = "checkpoint_fused.pt"


@dataclass(frozen=True)
class Ranked:
    """What ranks in the end: a model, or two fused."""

    scorer: Scorer
    validation: Mapping[str, float]
    fused: Mapping[str, Any] | None = None


def train_alone(request: Request, output: Output, invocation: Invocation) -> None:
    """Train, evaluate and answer; InputError for data or options that can't be used."""
    planned = plan(request)
    try:
        answer = _trained(planned)
    except KeyboardInterrupt:
        invocation.stopped = _stopped(request)
        raise
    answer["peak_rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_UNITS, 1)
    output.emit(answer, lambda console: show(console, answer))


def _stopped(request: Request) -> str:
    if request.out is not None and os.path.exists(os.path.join(request.out, CHECKPOINT)):
        return "stopped; the same command with --resume goes on from the last checkpoint"
    return "stopped before a checkpoint; with --out DIR one is kept every few seconds"


def _trained(planned: Plan) -> dict[str, Any]:
    request = planned.request
    prepare_torch(request)
    from hnlm_ray.cf.files import load_folder

    unread = _unread(planned)
    loaded = load_folder(request.folder, request.kind)
    data, held_out = with_validation(loaded.data, planned.config, request.seed)
    training = _train(planned, planned.config, data, CHECKPOINT)
    ranked = _ranked(planned, training)
    answer = describe(planned, data, training, held_out)
    answer |= {"validation": dict(ranked.validation), "fusion": ranked.fused, "unread": unread}
    answer |= figures(ranked.scorer, training.data, planned.cutoffs, request.metric)
    if request.out is not None:
        from hnlm_ray.commands.cf.result import keep_result

        keep_result(request, answer, ranked.scorer, loaded)
    return answer


def prepare_torch(request: Request) -> None:
    """Let waiting threads sleep, before torch starts any: two trainings side by side would steal each other's cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    from hnlm_ray.cf.kernels.devices import open_device

    open_device(request.device)


def _unread(planned: Plan) -> list[str]:
    """Note, and return, the settings given that change nothing."""
    from hnlm_ray.cf.training.settings_read import unread_settings

    request = planned.request
    found = unread_settings(planned.config, given_settings(request.given, request.overrides))
    told = [f"note: cf.{path} is read by {reader}, not here: it changes nothing" for path, reader in found.items()]
    if planned.second is not None:
        of_second = unread_settings(planned.second, given_settings((), request.fuse_overrides))
        told += [
            f"note: cf.{path} of {request.fuse} is read by {reader}, not here" for path, reader in of_second.items()
        ]
    console = open_console(stderr=True)
    for line in told:
        console.print(line)
    return [f"cf.{path}" for path in found]


def with_validation(data: CFData, config: CFConfig, seed: int) -> tuple[CFData, int]:
    """Return data with validation where it is asked for, and how many training pairs were held out for it."""
    from hnlm_ray.cf.files import hold_out

    if config.validation == "none" or data.validation is not None:
        return data, 0
    held = hold_out(data, seed)
    return held, len(held.validation or ())


def _train(planned: Plan, config: CFConfig, data: CFData, checkpoint: str) -> Training:
    from hnlm_ray.cf import train

    request = planned.request
    with EpochProgress(config.model, config.epochs, request.metric) as progress:
        return train(
            data,
            config,
            request.seed,
            metric=request.metric,
            cutoffs=planned.cutoffs,
            on_epoch=progress.add,
            device=request.device,
            checkpoints=_checkpoints(planned, config, data, checkpoint),
        )


def _checkpoints(planned: Plan, config: CFConfig, data: CFData, name: str) -> FileCheckpoints | None:
    request = planned.request
    if request.out is None:
        return None
    belongs = {
        "seed": request.seed,
        "metric": request.metric,
        "cutoffs": ",".join(map(str, planned.cutoffs)),
        "device": request.device.partition(":")[0],
        **{f"code of {name}": source_hash(name) for name in (config.sampler, config.model) if is_outside(name)},
    }
    # Stopped in its first model, a fusion has no checkpoint of the second yet.
    needed = name == CHECKPOINT
    path = os.path.join(request.out, name)
    return FileCheckpoints(path, config, data, belongs, resume=request.resume, needed=needed)


def _ranked(planned: Plan, training: Training) -> Ranked:
    if planned.second is None:
        weight = training.fusion_weight
        with_teacher = None if weight is None else {"model": "teacher", "weight": weight}
        return Ranked(training.scorer, training.validation, with_teacher)
    from hnlm_ray.cf import choose_fusion, fuse

    request, data = planned.request, training.data
    other = _train(planned, planned.second, data, CHECKPOINT_OF_SECOND)
    chosen = choose_fusion(training.scorer, other.scorer, data, metric=request.metric, cutoffs=planned.cutoffs)
    told = {
        "model": planned.second.model,
        "weight": chosen.weight,
        "epochs": other.epochs,
        "best_epoch": other.best_epoch,
        "seconds_per_epoch": rounded(other.seconds_per_epoch),
        "config": planned.second.model_dump(mode="json"),
        "validation_of_first": training.validation,
        "validation_of_second": other.validation,
    }
    return Ranked(fuse(training.scorer, other.scorer, chosen.weight), chosen.validation, told)
