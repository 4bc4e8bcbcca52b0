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

    def at(self, quantile: float) -> float:
        """Return the value below which the share ``quantile`` of all draws lies."""
        low, high = math.log(self.low), math.log(self.high)
        return min(self.high, max(self.low, math.exp(low + (high - low) * quantile)))

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.at(rng.random())

    def holds(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return isinstance(value, float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Uniform:
    """A float between two bounds."""

    low: float
    high: float

    def at(self, quantile: float) -> float:
        """Return the value below which the share ``quantile`` of all draws lies."""
        return self.low + (self.high - self.low) * quantile

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.at(rng.random())

    def holds(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return isinstance(value, float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int:
    """A whole number between two bounds, both included; with ``log`` uniform in its logarithm."""

    low: int
    high: int
    log: bool = False

    def at(self, quantile: float) -> int:
        """Return the value below which about the share ``quantile`` of all draws lies."""
        if not self.log:
            return min(self.high, self.low + int((self.high + 1 - self.low) * quantile))
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return min(self.high, max(self.low, round(math.exp(low + (high - low) * quantile))))

    def draw(self, rng: np.random.Generator) -> int:
        """Draw one value."""
        return self.at(rng.random())

    def holds(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Value, ...]

    def at(self, quantile: float) -> Value:
        """Return the value at a quantile of the list."""
        return self.values[min(len(self.values) - 1, int(len(self.values) * quantile))]

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        return self.values[int(rng.integers(len(self.values)))]

    def holds(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return value in self.values


Range = LogUniform | Uniform | Int | Choice


@dataclass(frozen=True)
class When:
    """A range for each of some values of a parameter that stands before it; for another value there is none."""

    on: str
    ranges: Mapping[Value, Range]


Space = Mapping[str, Range | When]


def draw(space: Space, fixed: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value]:
    """Draw one value of each parameter, in the order of the space.

    A parameter whose condition does not hold is drawn as well, from its first range, and so is one that is fixed: what
    is drawn of all others is then the same, whatever a control fixes.
    """
    drawn: dict[str, Value] = {}
    for name, dimension in space.items():
        one = _branch(dimension, fixed, drawn) if isinstance(dimension, When) else dimension
        drawn[name] = one.draw(rng)
    return drawn


def _branch(dimension: When, fixed: Mapping[str, Value], drawn: Mapping[str, Value]) -> Range:
    first = next(iter(dimension.ranges.values()))
    given = fixed.get(dimension.on, drawn.get(dimension.on))
    return first if given is None else dimension.ranges.get(given, first)
