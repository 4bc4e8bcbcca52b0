"""How long CF trainings take on the prepared data: a few epochs of each kind of method, and one whole training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hnlm_ray.cf import CFData, train
from hnlm_ray.config import CFConfig, Config, MethodName, ModelName
from hnlm_ray.plan.pace import Pace
from hnlm_ray.plan.stand_in import stand_in_data
from hnlm_ray.plan.teacher_time import TeacherTimes, measure_teacher
from hnlm_ray.tune.methods import METHODS
from hnlm_ray.tune.spaces import sample_trials
from hnlm_ray.workspace import Workspace

_WHOLE_S: Final = 20.0
_KIND_S: Final = 3.0
_KIND_EPOCHS: Final = 4
_ALL_S: Final = 90.0


@dataclass(frozen=True)
class TrainingTimes:
    """Paces by model and kind of method, the teacher's, and the epochs after which a training stopped.

    ``teacher`` is None where none is trained; ``epochs`` where the whole training did not end within the time that a
    measurement gets.
    """

    paces: Mapping[tuple[ModelName, str], Pace]
    teacher: TeacherTimes | None
    epochs: int | None

    def pace(self, model: ModelName, method: MethodName) -> Pace:
        """Return the pace of a method; of one that was not measured (time was up) the slowest measured."""
        slowest = max(self.paces.values(), key=lambda pace: pace.epoch_s)
        return self.paces.get((model, kind_of(method)), slowest)


def kind_of(method: MethodName) -> str:
    """Return what a method's time depends on: its sampler, and whether it guards."""
    return "guard" if method.startswith("guard") else METHODS[method].sampler


def measure_trainings(config: Config, workspace: Workspace) -> TrainingTimes:
    """Measure in this process, with the threads and the device of a trial."""
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    device = "cuda" if config.tune.gpus_per_trial and torch.cuda.is_available() else "cpu"
    data, until = stand_in_data(config, workspace), time.monotonic() + _ALL_S
    paces: dict[tuple[ModelName, str], Pace] = {}
    epochs = None
    # What a process does once (PyTorch's own start) belongs to no training.
    _train(_data_of("rns", data), config.cf.model_copy(update={"epochs": 1}), config, device, _Watch(1, _KIND_S))
    for model, method in _kinds(config):
        settings = sample_trials(config.cf, method, model, 1, config.seed)[0]
        first = not paces
        if first or time.monotonic() < until:
            watch = _Watch(config.cf.epochs, _WHOLE_S) if first else _Watch(_KIND_EPOCHS, _KIND_S)
            ended = _train(_data_of(method, data), settings, config, device, watch)
            epochs = watch.epochs if first and ended else epochs
            paces[model, kind_of(method)] = watch.pace()
    own = config.finetune.enabled and config.teacher.embeddings is None
    return TrainingTimes(paces, measure_teacher(config, data, device) if own else None, epochs)


def kinds(config: Config) -> list[tuple[ModelName, str]]:
    """Return the models with the kinds of methods that are compared."""
    return [(model, kind_of(method)) for model, method in _kinds(config)]


def _kinds(config: Config) -> Sequence[tuple[ModelName, MethodName]]:
    """Return one method of each kind that is compared, for each model."""
    by_kind = {kind_of(method): method for method in reversed(config.tune.methods)}
    return [(model, method) for model in config.tune.models for method in reversed(by_kind.values())]


class _EnoughSeenError(Exception):
    """Ends a training that is only measured."""


class _Watch:
    """Looks at the clock after each epoch, and ends the training when enough was seen."""

    def __init__(self, most_epochs: int, most_s: float) -> None:
        self._most_epochs, self._most_s = most_epochs, most_s
        self._started = time.monotonic()
        self._ends: list[float] = []

    @property
    def epochs(self) -> int:
        return len(self._ends)

    def see(self, _report: object, _means: object) -> None:
        self._ends.append(time.monotonic() - self._started)
        late = self._ends[-1] > self._most_s
        if (late or self.epochs >= self._most_epochs) and self.epochs > 0:
            raise _EnoughSeenError

    def pace(self) -> Pace:
        return Pace.of(self._ends)


def _train(data: CFData, settings: CFConfig, config: Config, device: str, watch: _Watch) -> bool:
    """Train until the watch has seen enough; tells whether the training ended by itself or by its last epoch."""
    try:
        train(
            data,
            settings,
            config.seed,
            metric=config.tune.metric,
            cutoffs=config.tune.cutoffs,
            on_epoch=watch.see,
            device=device,
        )
    except _EnoughSeenError:
        return watch.epochs >= settings.epochs
    return True


def _data_of(method: MethodName, data: CFData) -> CFData:
    """Return the data with what the method's kind reads."""
    reads = METHODS[method].reads
    return replace(
        data,
        pool=data.pool if reads.endswith("pool") else None,
        vectors=data.vectors if reads.endswith("vectors") else None,
        item_text=data.item_text if reads.endswith("text") else None,
    )
