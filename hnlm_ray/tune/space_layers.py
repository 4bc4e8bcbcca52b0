"""A method from its layers: the files that extend each other, and what a run changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hnlm_ray.config.spaces import DimensionConfig, Settings
from hnlm_ray.errors import InputError
from hnlm_ray.tune.dimensions import Range, Space, Value, When
from hnlm_ray.tune.method import Method
from hnlm_ray.tune.space_checks import build_dimension, parse_value
from hnlm_ray.tune.space_files import Layer

_WORDS = ("family", "models", "model", "reads", "controls", "without_text")


def build_method(name: str, layers: Sequence[Layer]) -> Method:
    """Put a method together; InputError says what is wrong in which file."""
    draft = _Draft()
    for layer in layers:
        draft.add(layer)
    words, models = draft.words, draft.words.get("models", "any")
    draft.check(f"search space {layers[-1].where}")
    return Method(
        name=name,
        family=words["family"],
        reads=words["reads"],
        drawn=draft.drawn,
        fixed=draft.fixed,
        published={key: value for key, value in draft.published.items() if key not in draft.fixed},
        root=next(layer.method for layer in layers if not layer.method.startswith("_")),
        models=None if models == "any" else models,
        model=words.get("model"),
        controls=words.get("controls"),
        without_text=words.get("without_text"),
    )


@dataclass
class _Draft:
    """A method while its layers are put together."""

    words: dict[str, Any] = field(default_factory=dict)
    drawn: dict[str, Range | When] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    published: dict[str, Value] = field(default_factory=dict)

    def add(self, layer: Layer) -> None:
        """Put a layer on top; InputError for what can't be."""
        content, told = layer.content, f"search space {layer.where}"
        said = {name: getattr(content, name) for name in _WORDS}
        self.words |= {name: word for name, word in said.items() if word is not None}
        _put(self.fixed, content.fixed, f"{told}: fixed")
        _put(self.published, content.published, f"{told}: published")
        for name, given in content.space.items():
            if content.fixed.get(name) is not None:
                raise InputError(f"{told}: {name} stands under fixed and under space; leave one of them")
            self._search(name, given, f"{told}: space.{name}")

    def _search(self, name: str, given: DimensionConfig | None, told: str) -> None:
        self.fixed.pop(name, None)
        if given is None:
            self.drawn.pop(name, None)
            return
        self.drawn[name] = build_dimension(name, given, self.drawn, told)
        _reject_later(name, self.drawn, told)

    def check(self, told: str) -> None:
        """Raise InputError for what a method can't be without."""
        for word in ("family", "reads"):
            if self.words.get(word) is None:
                raise InputError(
                    f"{told}: {word} is missing; a new method says it or extends one that does, "
                    "and a change has the name of a shipped one"
                )
        if (self.words["family"] == "control") != (self.words.get("controls") is not None):
            raise InputError(f"{told}: a control has the family control, and names in `controls` what it controls")
        self._check_published(told)

    def _check_published(self, told: str) -> None:
        if unsearched := sorted(self.published.keys() - self.drawn.keys() - self.fixed.keys()):
            raise InputError(f"{told}: published.{unsearched[0]} is not searched; put it under fixed")
        if outside := sorted(name for name in self.published.keys() - self.fixed.keys() if not self._holds(name)):
            name = outside[0]
            raise InputError(
                f"{told}: published.{name} is {self.published[name]}, which lies outside of space.{name}; "
                "widen the range, or publish a value of it (null: that of the section cf)"
            )

    def _holds(self, name: str) -> bool:
        dimension, value = self.drawn[name], self.published[name]
        ranges = dimension.ranges.values() if isinstance(dimension, When) else (dimension,)
        return any(one.holds(value) for one in ranges)


def _put(values: dict[str, Value], given: Settings, told: str) -> None:
    for name, value in given.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = parse_value(name, value, f"{told}.{name}")


def _reject_later(name: str, drawn: Space, told: str) -> None:
    dimension, order = drawn[name], list(drawn)
    if isinstance(dimension, When) and dimension.on in drawn and order.index(dimension.on) >= order.index(name):
        raise InputError(f"{told}.when: {dimension.on} must stand before {name}, which depends on it")
