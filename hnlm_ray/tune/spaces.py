"""Search spaces as data, and the trials drawn from them: equal budgets, paired draws.

Trial 0 of a method is the setting that the configuration gives (its defaults are the published ones).
In every other trial all methods share the draw of learning rate and regularisation; what is a method's
own is drawn apart. The controls search the space of the method that they control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from hnlm_ray.config import CFConfig, MethodName, ModelName
from hnlm_ray.errors import InputError

Family = Literal["classical", "semantic", "control"]
Value = float | int | str


@dataclass(frozen=True)
class LogUniform:
    """A float between two bounds, uniform in its logarithm."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))


@dataclass(frozen=True)
class Uniform:
    """A float between two bounds."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Value, ...]

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        return self.values[int(rng.integers(len(self.values)))]


Space = dict[str, LogUniform | Uniform | Choice]

SHARED: Final[Space] = {"lr": LogUniform(5e-4, 1e-2), "reg": LogUniform(1e-6, 1e-3)}
CANDIDATES: Final = Choice((2, 4, 8, 16, 32))
POWER: Final = Uniform(0.25, 1.0)
POOL: Final[Space] = {
    "alpha": LogUniform(0.05, 1.0),
    "base_sampler": Choice(("rns", "pns", "dns")),
    "candidates": CANDIDATES,
    "popularity_power": POWER,
}


@dataclass(frozen=True)
class Method:
    """A method of the comparison: what it is, the sampler it trains with, what it alone searches.

    Methods with the same ``stream`` draw the same values of their own parameters.
    """

    family: Family
    sampler: Literal["rns", "pns", "dns", "pool"]
    own: Space
    stream: int
    fixed: dict[str, Value]


METHODS: Final[dict[MethodName, Method]] = {
    "rns": Method("classical", "rns", {}, 1, {}),
    "pns": Method("classical", "pns", {"popularity_power": POWER}, 2, {}),
    "dns": Method("classical", "dns", {"candidates": CANDIDATES}, 3, {}),
    "pool": Method("semantic", "pool", POOL, 4, {}),
    "pool_alpha0": Method("control", "pool", POOL, 4, {"alpha": 0.0}),
    "pool_random": Method("control", "pool", POOL, 4, {}),
    "pool_shuffled": Method("control", "pool", POOL, 4, {}),
}
SHARED_STREAM: Final = 0


def result_name(model: ModelName, method: MethodName) -> str:
    """Return the name in tables and results, such as 'lightgcn-dns'."""
    return f"{model}-{method}"


def family(method: str) -> Family:
    """Return whether a method, or a result's name, is 'classical', 'semantic' or 'control'.

    InputError for any other name.
    """
    families = {str(name): entry.family for name, entry in METHODS.items()}
    found = families.get(method.rpartition("-")[2])
    if found is None:
        raise InputError(f"unknown method {method!r}; use one of {', '.join(families)}")
    return found


def search_space(method: MethodName) -> Space:
    """Return everything that the method searches; the models have no parameters of their own to search."""
    own = {name: space for name, space in METHODS[method].own.items() if name not in METHODS[method].fixed}
    return {**SHARED, **own}


def sample_trials(base: CFConfig, method: MethodName, model: ModelName, trials: int, seed: int) -> list[CFConfig]:
    """Draw the configurations of a method's trials; the first is ``base`` itself.

    The same arguments give the same trials, and more trials begin with the fewer.
    """
    entry = METHODS[method]
    shared = np.random.default_rng([seed, SHARED_STREAM])
    own = np.random.default_rng([seed, entry.stream])
    start: dict[str, Value] = {"model": model, "sampler": entry.sampler}
    drawn: list[dict[str, Value]] = [{}]
    drawn.extend({**_draw(SHARED, shared), **_draw(entry.own, own)} for _ in range(trials - 1))
    given = base.model_dump()
    return [CFConfig.model_validate({**given, **start, **values, **entry.fixed}) for values in drawn]


def _draw(space: Space, rng: np.random.Generator) -> dict[str, Value]:
    return {name: dimension.draw(rng) for name, dimension in space.items()}
