"""One method of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hnlm_ray.config import ModelName
from hnlm_ray.config.spaces import Family, Reads
from hnlm_ray.methods.dimensions import Space, Value, When

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
