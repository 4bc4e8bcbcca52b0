"""How long CF trainings take on the prepared data: a few epochs of each kind of method, and one whole training.

Also the teacher's pace, and for how many pairs it finds a hard negative: it is trained and mined with, if time allows.
What the LLM has not written yet (pool, vectors, texts of items) is drawn at random in its shape: a training on it costs
what one on the real thing costs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError, WorkspaceError
from hnlm_ray.cf import SOLVED, CFData, DivergedError, NegativePool, PairVectors, Positives, Trainer, train
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.methods.known import Reads, RunMethods
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Matrix, Vectors
from hnlm_ray.tune.search.trial_configs import published_config
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.training_data import UserHistory, select_pairs


@dataclass(frozen=True)
class Pace:
    """Seconds of one training: before its first epoch, and for an epoch with its evaluation.

    ``ends_after``: epochs after which it ended by itself; None: nobody has seen its end.
    """

    start_s: float
    epoch_s: float
    ends_after: int | None = None

    @classmethod
    def of(cls, ends: Sequence[float]) -> Pace:
        """Return the pace of a training whose epochs ended so many seconds after its start.

        Of one epoch alone nothing tells its start apart.
        """
        if len(ends) < 2:
            return cls(0.0, ends[0] if ends else 0.0)
        epoch = (ends[-1] - ends[0]) / (len(ends) - 1)
        return cls(max(0.0, ends[0] - epoch), epoch)

    def seconds(self, epochs: float) -> float:
        """Return the time of a training of so many epochs, or of fewer where it ends by itself."""
        return self.start_s + min(epochs, self.ends_after or epochs) * self.epoch_s


_LONGEST_S: Final = 20.0
_LEAST_EPOCHS: Final = 2
_USERS: Final = 256


@dataclass(frozen=True)
class TeacherTimes:
    """The pace of the training, seconds to mine one pair, and the share of pairs that got a hard negative.

    ``mined_share`` is None where the training did not end within the time that a measurement gets.
    """

    pace: Pace
    pair_s: float
    mined_share: float | None


def measure_teacher(config: Config, data: CFData, device: str) -> TeacherTimes:
    """Train the teacher on its rows, for 20 s at most, then mine for up to 256 users; nothing is kept."""
    plain = replace(data, validation=None, test=None, pool=None, vectors=None, item_text=None)
    trainer, started = Trainer(plain, config.teacher.cf, config.seed, device), time.monotonic()
    ends: list[float] = []
    while trainer.epoch < config.teacher.cf.epochs:
        if len(ends) >= _LEAST_EPOCHS and ends[-1] > _LONGEST_S:
            break
        trainer.run_epoch()
        ends.append(time.monotonic() - started)
    users, items = (part.cpu().numpy() for part in trainer.model.embeddings())
    ended = time.monotonic()
    counts = _mined(config, plain, users, items)
    share = 1 - counts["pairs_without_negative"] / max(1, counts["pairs"])
    whole = trainer.epoch >= config.teacher.cf.epochs
    return TeacherTimes(Pace.of(ends), (time.monotonic() - ended) / max(1, counts["pairs"]), share if whole else None)


def _mined(config: Config, data: CFData, users: Matrix, items: Matrix) -> dict[str, int]:
    draw, budget = np.random.default_rng(config.seed), config.teacher.pairs_per_user
    chosen = np.sort(draw.permutation(np.flatnonzero(data.train.degree > 0))[:_USERS])
    of_users, of_items = data.train.pairs()
    pairs = []
    for user in chosen.tolist():
        own = tuple(of_items[of_users == user].tolist())
        pairs.append(UserPairs(user, own, select_pairs(UserHistory(user, own), budget, config.seed)))
    vectors = Vectors(items, np.ones(len(items), bool))
    return dict(mine(pairs, users[chosen], vectors, config.teacher).counts)


_TEXT_DIM: Final = 384


def stand_in_data(config: Config, workspace: Workspace) -> CFData:
    """Return the prepared splits with a pool, vectors and item texts drawn at random."""
    users, items = (workspace.table(name).read([name[:-1]]).num_rows for name in ("users", "items"))
    rows = workspace.table("interactions").read(["user", "item", "split"])
    train_rows = _positives(rows, "train", users)
    if train_rows is None:
        raise WorkspaceError("table 'interactions' has no training rows: run `hnlm stage prepare` anew")
    draw = np.random.default_rng(config.seed)
    return CFData(
        users=users,
        items=items,
        train=train_rows,
        validation=_positives(rows, "validation", users),
        test=None,
        pool=_pool(config, train_rows, items, draw),
        vectors=_vectors(config, train_rows, items, draw),
        item_text=_unit(draw, items, _TEXT_DIM),
    )


def _positives(rows: pa.Table, split: str, users: int) -> Positives | None:
    chosen = rows.filter(pc.equal(rows["split"], split))
    return Positives.from_pairs(chosen["user"].to_numpy(), chosen["item"].to_numpy(), users) if len(chosen) else None


def _pool(config: Config, positives: Positives, items: int, draw: np.random.Generator) -> NegativePool:
    size = config.negatives.pool_size
    of_users, of_items = (np.repeat(column, size) for column in positives.pairs())
    drawn = draw.integers(items, size=len(of_users))
    return NegativePool.from_rows(positives, of_users, of_items, drawn, np.ones(len(drawn)), n_items=items)


def _vectors(config: Config, positives: Positives, items: int, draw: np.random.Generator) -> PairVectors:
    dim = config.teacher.cf.dim
    chosen = int(np.minimum(positives.degree, config.embeddings.pairs_per_user).sum())
    vectors = _unit(draw, max(1, chosen), dim)
    row = draw.integers(len(vectors), size=len(positives)).astype(np.int32)
    return PairVectors(vectors, row, _unit(draw, items, dim))


def _unit(draw: np.random.Generator, rows: int, dim: int) -> NDArray[np.float32]:
    drawn = draw.standard_normal((rows, dim), dtype=np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


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
