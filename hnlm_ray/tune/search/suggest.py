"""Which configuration a method's next trial has: drawn at random, or by what its trials so far have shown."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hnlm_ray.config import CFConfig, ModelName, TuneConfig
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.methods.method import Method, Space, Value, When, draw
from hnlm_ray.tune.job import Told
from hnlm_ray.tune.search.trial_configs import choose, nested_base, published_config, trial_config

SHARED: Final = ("lr", "reg")
"""What all methods have in common: all share its draws, each in its own range."""
_SHARED_STREAM: Final = 0
_STREAMS: Final[Mapping[str, int]] = {"rns": 1, "pns": 2, "dns": 3, "pool": 4, "hnlmrec": 5, "guard": 6}
"""Streams that a seed always meant; those of other methods come from their names."""


def search_seed(seed: int, search: int) -> int:
    """Return the seed of a search, of its draws and its trainings; the first has the run's own."""
    return seed if search == 0 else int(np.random.SeedSequence([seed, search]).generate_state(1)[0])


class Suggestions:
    """The trials of one method on one model: equal for equal (seed, trial, told).

    Trial 0 is the setting that the configuration gives, with the published value in the place of each default. With
    ``tune.search`` random all methods share the draws of learning rate and regularisation, and controls those of the
    method that they control; more trials begin with the fewer. With tpe this holds for the first
    ``tune.startup_trials``, and each later one is the choice of Optuna's TPE by the trials told. A method that nests
    its search in others' takes the settings of their best in the place of what the configuration gives.

    Parameters
    ----------
    base
        The section ``cf`` of the run.
    model
        One of ``tune.models``; a method that is a model itself has no use for it.

    Raises
    ------
    InputError
        The method's search space can't be used.
    """

    def __init__(self, method: str, base: CFConfig, model: ModelName, tune: TuneConfig, seed: int) -> None:
        self.method, self.base, self.model = RunMethods.of(tune)[method], base, model
        self.search, self.startup, self.seed = tune.search, tune.startup_trials, seed
        self._draws = _Draws(self.method, seed)

    def nest_in(self, winner: CFConfig) -> None:
        """Take the sampler and all settings of a classical trial: what is suggested from now on adds to them."""
        self.base = nested_base(winner)

    def suggest(self, trial: int, told: Sequence[Told] = ()) -> CFConfig:
        """Return the configuration of a trial; ``told`` are others of this method, which random search ignores."""
        if trial == 0:
            return published_config(self.base, self.method, self.model)
        values = self._by_tpe(trial, told) if self.search == "tpe" and trial >= self.startup else None
        return trial_config(self.base, self.method, self.model, self._drawn(trial) if values is None else values)

    def _drawn(self, trial: int) -> dict[str, Value]:
        drawn = self._draws.of(trial)
        return choose(self.base, self.method, self.model, lambda _key, name, _range: drawn[name])

    def _by_tpe(self, trial: int, told: Sequence[Told]) -> dict[str, Value] | None:
        from hnlm_ray.tune.search.tpe import suggest_by_tpe

        own = np.random.SeedSequence([self.seed, stream_of(self.method), trial])
        return suggest_by_tpe(self.base, self.method, self.model, told, int(own.generate_state(1)[0]))


class _Draws:
    """The random draws of a method's trials, one after the other."""

    def __init__(self, method: Method, seed: int) -> None:
        self._shared = np.random.default_rng([seed, _SHARED_STREAM])
        self._own = np.random.default_rng([seed, stream_of(method)])
        self._method, self._drawn = method, list[dict[str, Value]]()

    def of(self, trial: int) -> dict[str, Value]:
        """Return the values drawn for a trial from 1 on, with those of conditions that don't hold."""
        while len(self._drawn) < trial:
            quantiles = dict(zip(SHARED, self._shared.random(len(SHARED)), strict=True))
            own = draw(_own(self._method.drawn), self._method.fixed, self._own)
            self._drawn.append({**own, **_shared(self._method.drawn, quantiles)})
        return self._drawn[trial - 1]


def stream_of(method: Method) -> int:
    """Return the number of a method's random stream."""
    return _STREAMS.get(method.root, zlib.crc32(method.root.encode()))


def _own(space: Space) -> Space:
    return {name: dimension for name, dimension in space.items() if name not in SHARED or isinstance(dimension, When)}


def _shared(space: Space, quantiles: Mapping[str, float]) -> dict[str, Value]:
    return {
        name: dimension.at(float(quantiles[name]))
        for name, dimension in space.items()
        if name in SHARED and not isinstance(dimension, When)
    }
