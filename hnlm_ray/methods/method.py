"""One method of the comparison.

What a search space is made of: ranges as data, each drawn from a random stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from hnlm_ray.config import ModelName
from hnlm_ray.config.spaces import Family, Reads

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


Needs = Literal["nothing", "pool", "vectors", "text", "facts", "evidence"]
_NEEDS: Final[Mapping[str, Needs]] = {
    "nothing": "nothing",
    "pool": "pool",
    "triples": "pool",
    "vectors": "vectors",
    "text": "text",
    "evidence": "evidence",
}
_LLM_TABLES: Final[Mapping[Reads, tuple[str, ...]]] = {
    "pool": ("semantic_negatives", "negative_embeddings"),
    "triples": ("semantic_negatives", "negative_embeddings"),
    "vectors": ("negative_embeddings",),
    "text": ("item_profiles",),
    "evidence": ("item_profiles", "user_profiles", "judgements", "negative_embeddings"),
}
FACTS_TEXT: Final = "facts_text"


@dataclass(frozen=True)
class Method:
    """One method.

    Parameters
    ----------
    name
        Of its file, or in ``tune.spaces``.
    family
        classical: knows no text; semantic: uses the items' texts or what an LLM wrote; text: a model that reads
        text; control: another method without something of it.
    reads
        What it needs beside the positives.
    drawn
        What is drawn at random for it: its space, and what a control fixes of the method's that it controls.
    fixed
        Values that hold in every trial; they are not searched.
    published
        Values of its first trial where the configuration leaves the default.
    root
        The first method of what it extends, such as that which it controls; else its own name. They share draws.
    models
        Those of ``tune.models`` that it runs on; none: any.
    model
        Of a method that is a model itself.
    controls
        The names of its own controls.
    control_of
        The method that it is a control of.
    takes
        What a control takes away, a word of :data:`hnlm_ray.config.controls.CONTROLS`; none of one of a run's own.
    nests
        The methods of whose best it takes the sampler and all settings.
    without_text
        The same method by behaviour alone, against which the worth of the text is measured.
    reads_profiles
        Whether the items' text is what an LLM wrote of them (``tune.item_text``).
    """

    name: str
    family: Family
    reads: Reads
    drawn: Space
    fixed: Mapping[str, Value]
    published: Mapping[str, Value]
    root: str
    models: tuple[ModelName, ...] | None = None
    model: str | None = None
    controls: tuple[str, ...] = ()
    control_of: str | None = None
    takes: str | None = None
    nests: tuple[str, ...] | None = None
    without_text: str | None = None
    reads_profiles: bool = True

    @property
    def has_vectors(self) -> bool:
        """Tell whether it ends in vectors of users and items, without which it can't recommend to everybody."""
        return self.model != "ease" and self.fixed.get("fusion", "none") == "none"

    @property
    def space(self) -> Space:
        """What it searches."""
        return {name: dimension for name, dimension in self.drawn.items() if name not in self.fixed}

    def space_on(self, model: str) -> Space:
        """Return what it searches on one of ``tune.models``."""
        return {
            name: dimension
            for name, dimension in self.space.items()
            if not isinstance(dimension, When) or dimension.on != "model" or model in dimension.ranges
        }

    @property
    def llm_tables(self) -> tuple[str, ...]:
        """The tables of what an LLM wrote or computed that it reads, whether or not the run has them."""
        tables = _LLM_TABLES.get(self.reads, ())
        return tables if self.reads_profiles else tuple(name for name in tables if name != "item_profiles")

    @property
    def needs(self) -> Needs:
        """What the run's data must have for it: controls and triples are made from that."""
        return "facts" if self.reads == FACTS_TEXT else _NEEDS[self.reads.rpartition("_")[2]]

    @property
    def reads_facts(self) -> bool:
        """Whether it reads what is known of the items without an LLM, beside what it needs."""
        return self.reads.startswith("facts_")

    @property
    def sampler(self) -> str:
        """The sampler that it trains with; 'searched' where that is a parameter."""
        return str(self.fixed.get("sampler", "searched"))
