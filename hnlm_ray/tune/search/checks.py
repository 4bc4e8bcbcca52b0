"""What a search would do in silence other than it was asked to: refused before anything runs.

Whether the methods of a run can start at all: their first trials are opened on a handful of made-up users.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import first_line
from hnlm_ray.config import CFConfig, Config, TuneConfig
from hnlm_ray.methods.known import Compared, RunMethods
from hnlm_ray.tune.search.suggest import Suggestions

if TYPE_CHECKING:
    from hnlm_ray.cf import CFData


_USERS: Final = 4
_ITEMS: Final = 40
_TEXT: Final = 32


def rehearse(config: Config) -> None:
    """Raise InputError where a method can't train with the section `cf`, before anything has run.

    Nothing is trained: what a training refuses (a sampler that a loss or a model can't take, settings that contradict
    each other) it refuses when it is opened.
    """
    from hnlm_ray.cf import open_training
    from hnlm_ray.tune.control_data import read_data

    data = _made_up()
    for name, compared in RunMethods.of(config.tune).compared.items():
        method = compared.method
        try:
            for settings in _first_trials(compared, config):
                open_training(read_data(method.reads, data, config.seed), settings, config.seed)
        except (InputError, RuntimeError, ValueError, MemoryError) as error:
            why = first_line(error)
            raise InputError(f"{name} of tune.methods can't start with the section cf: {why}") from error


def _first_trials(compared: Compared, config: Config) -> list[CFConfig]:
    """Return a method's first trial: of one that takes the settings of others, with those of each."""
    own = Suggestions(compared.method.name, config.cf, compared.model, config.tune, config.seed)
    nests = [of for of in compared.method.nests or () if of in config.tune.methods]
    if not nests:
        return [own.suggest(0)]
    found = []
    for of in nests:
        own.nest_in(Suggestions(of, config.cf, compared.model, config.tune, config.seed).suggest(0))
        found.append(own.suggest(0))
    return found


def _made_up() -> CFData:
    """Return data that has everything a method may read."""
    from hnlm_ray.cf import CFData, Judgements, NegativePool, PairVectors, Positives

    draw = np.random.default_rng(0)
    users, items = np.repeat(np.arange(_USERS), 2), np.arange(2 * _USERS)
    train = Positives.from_pairs(users, items, _USERS)
    pool = NegativePool.from_rows(train, users, items, items + 2 * _USERS, np.ones(len(items)), n_items=_ITEMS)
    text = draw.normal(size=(_ITEMS, _TEXT)).astype(np.float32)
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    vectors = PairVectors.from_rows(
        train, users, items, np.arange(len(items)), unit[: len(items)], n_items=_ITEMS, anchors=unit
    )
    vectors = replace(vectors, positives=items.astype(np.int32), mined=(items + 2 * _USERS).astype(np.int32))
    liked = Positives.from_pairs(np.arange(_USERS), np.full(_USERS, _ITEMS - 1), _USERS)
    judged = Judgements.from_pairs(np.arange(_USERS), np.full(_USERS, _ITEMS - 2), np.ones(_USERS), _USERS)
    plain = CFData(_USERS, _ITEMS, train, validation=liked, pool=pool, vectors=vectors, item_text=text)
    return replace(plain, facts_text=text, user_text=text[:_USERS], judgements=judged)


def check_search(config: Config) -> None:
    """Raise InputError where TPE would choose no trial, a stopping rule could end none, or a change changes nothing."""
    settings, epochs = config.tune, config.cf.epochs
    _build_all(settings)
    if settings.search == "tpe" and settings.startup_trials >= settings.trials:
        raise InputError(
            f"tune.search is tpe, and it would choose none of the {settings.trials} trials of a method: the first "
            f"{settings.startup_trials} are random (tune.startup_trials); raise tune.trials above that, or lower it"
        )
    if settings.stopping != "none" and settings.grace_epochs >= epochs:
        raise InputError(
            f"tune.stopping is {settings.stopping}, and it could end no trial: each gets {settings.grace_epochs} "
            f"epochs first (tune.grace_epochs) and has {epochs} in all (cf.epochs); lower the first below the second"
        )


def _build_all(settings: TuneConfig) -> None:
    """Put together what `tune.spaces` holds and no method extends, so that a misspelt name is no method unheard of."""
    methods, spaces = RunMethods.of(settings), settings.spaces
    for name in sorted(spaces.keys() - {given.extends for given in spaces.values()}):
        methods[name]
