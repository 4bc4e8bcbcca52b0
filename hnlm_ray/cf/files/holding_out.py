"""Holding out a part of the training positives as validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import Positives

SHARE: Final = 0.1
LEAST: Final = 5


def hold_out(data: CFData, seed: int, share: float = SHARE) -> CFData:
    """Move a random ``share`` of each user's training positives (of users with at least 5) to validation.

    At least one of each such user is moved and most stay; test is not looked at. InputError where no user has so
    many, or there is validation already.
    """
    if data.validation is not None:
        raise InputError("the data has validation positives already; use them")
    users, items = data.train.pairs()
    degree = data.train.degree
    shuffled = np.random.default_rng(seed).permutation(len(users))
    # Each user's pairs side by side, in random order: the first few of them go.
    order = shuffled[np.argsort(users[shuffled], kind="stable")]
    place = np.arange(len(users)) - data.train.indptr[users[order]]
    wanted = np.where(degree >= LEAST, np.maximum(1, np.round(share * degree)), 0)
    moved = order[place < wanted[users[order]]]
    if len(moved) == 0:
        raise InputError(f"no user has {LEAST} training positives, so none can be held out; set cf.validation none")
    kept = np.setdiff1d(np.arange(len(users)), moved)
    train, validation = (Positives.from_pairs(users[part], items[part], data.users) for part in (kept, moved))
    return replace(data, train=train, validation=validation)
