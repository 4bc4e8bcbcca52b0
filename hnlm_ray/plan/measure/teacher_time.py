"""The teacher's pace, and for how many pairs it finds a hard negative: it is trained and mined with, if time allows."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from hnlm_ray.cf import CFData, Trainer
from hnlm_ray.config import Config
from hnlm_ray.plan.measure.pace import Pace
from hnlm_ray.teacher.mining import UserPairs, mine
from hnlm_ray.teacher.vectors import Matrix, Vectors
from hnlm_ray.workspace.training_data import UserHistory, select_pairs

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
