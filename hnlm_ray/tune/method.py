"""One method of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hnlm_ray.config import ModelName
from hnlm_ray.config.spaces import Family, Reads
from hnlm_ray.tune.dimensions import Space, Value

Needs = Literal["nothing", "pool", "vectors", "text", "evidence"]
_NEEDS: Final[Mapping[str, Needs]] = {
    "nothing": "nothing",
    "pool": "pool",
    "triples": "pool",
    "vectors": "vectors",
    "text": "text",
    "evidence": "evidence",
}


@dataclass(frozen=True)
class Method:
    """One method.

    Parameters
    ----------
    name
        Of its file, or in ``tune.spaces``.
    family
        classical: knows no text; semantic: uses the negatives that the LLM wrote; text: a model that reads text;
        control: another method without its meaning.
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
        The method that it is a control of.
    without_text
        The same method by behaviour alone, against which the worth of the text is measured.
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
    controls: str | None = None
    without_text: str | None = None

    @property
    def space(self) -> Space:
        """What it searches."""
        return {name: dimension for name, dimension in self.drawn.items() if name not in self.fixed}

    @property
    def needs(self) -> Needs:
        """What the run's data must have for it: controls and triples are made from that."""
        return _NEEDS[self.reads.rpartition("_")[2]]

    @property
    def sampler(self) -> str:
        """The sampler that it trains with; 'searched' where that is a parameter."""
        return str(self.fixed.get("sampler", "searched"))
