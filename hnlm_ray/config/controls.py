"""The controls: what each takes away from a method, and what it leaves. The one place where they are declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Leaves = Literal["behaviour", "texts"]
"""What a gain is the merit of where the control has it as well."""


@dataclass(frozen=True)
class Control:
    """A method without something: its name is the method's and the control's (``guard_shuffled``).

    Attributes
    ----------
    takes
        What it takes away, in words that go on "without".
    leaves
        What its method's gain is credited to where this control has it too.
    reads
        What it reads in the place of what the method does; a prefix where it ends with ``_``.
    fixed
        Settings within ``cf`` that it fixes, as far as its method fixes or searches them.
    """

    takes: str
    leaves: Leaves = "behaviour"
    reads: str | None = None
    fixed: Mapping[str, float | str] = field(default_factory=dict)


CONTROLS: Final[Mapping[str, Control]] = {
    "shuffled": Control("the meaning: each item, user or pair has another's", reads="shuffled_"),
    "random": Control("the meaning: random ones of the same sizes in its place", reads="random_"),
    "no_text": Control("any text", reads="nothing", fixed={"guard_features": "cf", "graph": 0}),
    "facts": Control("the LLM: the items' facts in the place of what it wrote", leaves="texts", reads="facts_"),
    "alpha0": Control(
        "any weight on it", fixed={"alpha": 0, "contrastive": 0, "adapter_training": "joint", "alignment": 0}
    ),
    "frozen": Control("training of the adapter", fixed={"adapter_training": "frozen", "alignment": 0}),
    "share0": Control("any candidate of the pool", fixed={"pool_share": 0}),
    "teacher": Control("the LLM: the teacher's mined hard negative in the place of its vector", reads="teacher_"),
    "item": Control("the LLM: the positive item's own vector in the place of its vector", reads="item_"),
}
UNTRAINED: Final = "frozen"
"""The control that leaves the adapter as it starts: it may draw, item by item, what its method draws."""
EXTENDED: Final = "extended"
"""In a method's list: the method that it extends is its control, and takes away what this one adds to it."""


def check_controls(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a method's list of controls; ValueError for a word that is none, or that is there twice."""
    if unknown := [word for word in words if word not in {*CONTROLS, EXTENDED}]:
        raise ValueError(f"there is no control '{unknown[0][:80]}': use {', '.join([*CONTROLS, EXTENDED])}")
    if repeated := sorted({word for word in words if words.count(word) > 1}):
        raise ValueError(f"name {', '.join(repeated)} once")
    return words


def control_names(method: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a method's own controls."""
    return tuple(f"{method}_{word}" for word in words if word != EXTENDED)
