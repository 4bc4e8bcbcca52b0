"""How long CF trainings take on the prepared data: a few epochs of each kind of method, and one whole training."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import SOLVED, CFData, DivergedError, train
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.methods.known import Reads, RunMethods
from hnlm_ray.plan.measure.pace import Pace
from hnlm_ray.plan.measure.stand_in import stand_in_data
from hnlm_ray.plan.measure.teacher_time import TeacherTimes, measure_teacher
from hnlm_ray.tune.search.trial_configs import published_config
from hnlm_ray.workspace import Workspace

log = logging.getLogger(__name__)
_WHOLE_S: Final = 20.0
_KIND_S: Final = 3.0
_KIND_EPOCHS: Final = 4
_ALL_S: Final = 90.0
_MANY: Final = 100


@dataclass(frozen=True)
class TrainingTimes:
    """Paces by kind of training, the teacher's, and the epochs after which a training stopped.

    ``teacher`` is None where none is trained; ``epochs`` where the whole training did not end within the time that a
    measurement gets.
    """

    paces: Mapping[str, Pace]
    teacher: TeacherTimes | None
    epochs: int | None

    def pace(self, settings: CFConfig) -> Pace:
        """Return the pace of a training; of a kind that was not measured the slowest measured."""
        slowest = max(self.paces.values(), key=lambda pace: pace.seconds(_MANY), default=Pace(0.0, 0.0))
        return self.paces.get(kind_of(settings), slowest)

    def measures(self, settings: CFConfig) -> bool:
        """Tell whether the kind of a training was measured: time may be up, or its data be made later alone."""
        return kind_of(settings) in self.paces


def kind_of(settings: CFConfig) -> str:
    """Return what a training's time depends on: its model, its sampler, its loss, and whether it guards."""
    return f"{settings.model} {settings.sampler} {settings.loss}{' guarded' if settings.guard else ''}"


def first_trials(config: Config) -> dict[str, tuple[Reads, CFConfig]]:
    """Return what is compared, by the names of results: what each reads, and its first trial."""
    return {
        name: (one.method.reads, published_config(config.cf, one.method, one.model))
        for name, one in RunMethods.of(config.tune).compared.items()
    }


def kinds(config: Config) -> dict[str, tuple[Reads, CFConfig]]:
    """Return the first trial of each kind of training that is compared, by kind."""
    found: dict[str, tuple[Reads, CFConfig]] = {}
    # A whole training is measured of the first: of one by gradients, where there is one, for the others end at once.
    for reads, settings in sorted(first_trials(config).values(), key=lambda trial: trial[1].model in SOLVED):
        found.setdefault(kind_of(settings), (reads, settings))
    return found


def measure_trainings(config: Config, workspace: Workspace) -> TrainingTimes:
    """Measure in this process, with the threads and the device of a trial."""
    import torch

    torch.set_num_threads(max(1, int(config.tune.cpus_per_trial)))
    device = "cuda" if config.tune.gpus_per_trial and torch.cuda.is_available() else "cpu"
    data, until = stand_in_data(config, workspace), time.monotonic() + _ALL_S
    paces: dict[str, Pace] = {}
    epochs = None
    # What a process does once (PyTorch's own start) belongs to no training.
    once = CFConfig(epochs=1)
    _train(_data_of("nothing", data), once, config, device, _Watch(1, _KIND_S))
    for kind, (reads, settings) in kinds(config).items():
        first = not paces
        if first or time.monotonic() < until:
            watch = _Watch(config.cf.epochs, _WHOLE_S) if first else _Watch(_KIND_EPOCHS, _KIND_S)
            try:
                ended = _train(_data_of(reads, data), settings, config, device, watch)
            except (InputError, DivergedError) as error:
                log.warning("a training of kind %s can't be measured: %s", kind, error)
                continue
            epochs = watch.epochs if first and ended else epochs
            paces[kind] = replace(watch.pace(), ends_after=watch.epochs if ended else None)
    own = config.finetune.enabled and config.teacher.embeddings is None
    return TrainingTimes(paces, measure_teacher(config, data, device) if own else None, epochs)


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


def _data_of(reads: Reads, data: CFData) -> CFData:
    """Return the data with what is read."""
    return replace(
        data,
        pool=data.pool if reads.endswith("pool") else None,
        vectors=data.vectors if reads.endswith(("vectors", "evidence")) else None,
        item_text=data.item_text if reads.endswith(("text", "evidence")) else None,
    )
