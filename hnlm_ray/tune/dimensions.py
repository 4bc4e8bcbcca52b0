"""What a search space is made of: ranges as data, each drawn from a random stream."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Value = float | int | str | bool


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


@dataclass(frozen=True)
class Depends:
    """A range for each value of a parameter that stands before it in the space."""

    on: str
    ranges: Mapping[Value, LogUniform | Uniform | Choice]


Space = Mapping[str, LogUniform | Uniform | Choice | Depends]


def draw(space: Space, rng: np.random.Generator) -> dict[str, Value]:
    """Draw one value of each parameter, in the order of the space."""
    drawn: dict[str, Value] = {}
    for name, dimension in space.items():
        chosen = dimension.ranges[drawn[dimension.on]] if isinstance(dimension, Depends) else dimension
        drawn[name] = chosen.draw(rng)
    return drawn
