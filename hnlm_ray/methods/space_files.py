"""The shipped search spaces, a YAML file each, and what they extend; docs/sweeps.md says what stands in one.

A method from its layers: the files that extend each other, and what a run changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, get_args

from pydantic import ValidationError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.yaml_text import YamlTextError, parse_yaml
from hnlm_ray.config.controls import CONTROLS, EXTENDED, control_names
from hnlm_ray.config.spaces import (
    DimensionConfig,
    Reads,
    Settings,
    SpaceConfig,
    Spaces,
    control_word,
    shipped_spaces,
    shipped_trees,
)
from hnlm_ray.methods.method import Method, Range, Space, Value, When
from hnlm_ray.methods.space_checks import build_dimension, parse_value

_SHOWN_CHARS: Final = 80


@dataclass(frozen=True)
class Layer:
    """A file, what a run gives, or what a control takes away.

    Attributes
    ----------
    method
        Whose it is.
    where
        How errors name it.
    control
        The word of a control (:mod:`hnlm_ray.config.controls`); ``content`` is empty then.
    """

    method: str
    where: str
    content: SpaceConfig
    control: str | None = None


def layers_of(method: str, spaces: Spaces, below: tuple[str, ...] = ()) -> list[Layer]:
    """Return what a method is put together from, the root first: what it extends, its file, what a run changes.

    Parameters
    ----------
    spaces
        ``tune.spaces`` of the run.
    below
        The methods that extend this one.

    Raises
    ------
    InputError
        A file is no search space, extends what isn't there, or extends itself.
    """
    if (control := control_word(method, spaces)) is not None:
        return _control_layers(method, *control, spaces, below)
    given = spaces.get(method)
    own = [] if given is None else [Layer(method, _place(method, given), given)]
    if method in shipped_files():
        own.insert(0, Layer(method, f"{method}.yaml", read_shipped(method)))
    if not own:
        named = f"search space {below[-1]}: extends: got" if below else "search space"
        known = ", ".join(sorted({*shipped_files(), *spaces}))
        raise InputError(f"{named} {method[:_SHOWN_CHARS]!r}, which is no method or part; use one of {known}")
    base = own[0].content.extends
    if base is None:
        return own
    if base in (*below, method):
        chain = " extends ".join([*below, method, base])
        raise InputError(f"search space {own[0].where}: extends: {chain}, which goes round; end the chain")
    return [*layers_of(base, spaces, (*below, method)), *own]


def _control_layers(name: str, of: str, word: str, spaces: Spaces, below: tuple[str, ...]) -> list[Layer]:
    taken = Layer(name, f"{of}: controls: {word}", SpaceConfig(), word)
    given = spaces.get(name)
    own = [] if given is None else [Layer(name, _place(name, given), given)]
    return [*layers_of(of, spaces, (*below, name)), taken, *own]


def _place(method: str, given: SpaceConfig) -> str:
    return f"tune.spaces.{method}" if given.file is None else f"tune.spaces.{method} ({given.file})"


def shipped_files() -> tuple[str, ...]:
    """Return the names of the shipped files: methods, and parts, which begin with _."""
    return tuple(sorted(shipped_spaces()))


@lru_cache(maxsize=128)
def read_shipped(name: str) -> SpaceConfig:
    """Return a shipped file."""
    return _space(shipped_trees()[name], f"{name}.yaml")


def parse_space(text: str, where: str) -> SpaceConfig:
    """Return what a file holds; InputError with its name and the field that is wrong."""
    try:
        tree = parse_yaml(text)
    except YamlTextError as error:
        raise InputError(f"search space {where} {error}") from error
    return _space(tree, where)


def _space(tree: object, where: str) -> SpaceConfig:
    if not isinstance(tree, dict):
        raise InputError(f"search space {where} holds no mapping: see docs/sweeps.md for what stands in it")
    try:
        return SpaceConfig.model_validate(tree)
    except ValidationError as error:
        raise InputError(_sentence(where, error)) from error


def _sentence(where: str, error: ValidationError) -> str:
    detail = error.errors()[0]
    field = ".".join(str(key)[:_SHOWN_CHARS] for key in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = SpaceConfig.model_fields if len(detail["loc"]) == 1 else (*DimensionConfig.kinds, "is")
        return f"search space {where}: {field}: unknown key; use one of {', '.join(known)}"
    got, told = repr(detail["input"])[:_SHOWN_CHARS], detail["msg"].removeprefix("Value error, ")
    return f"search space {where}: {field}: got {got}; {told[0].lower()}{told[1:]}"


_WORDS = ("family", "models", "model", "reads", "controls", "control_of", "nests", "without_text")


def build_method(name: str, layers: Sequence[Layer], item_text: str = "profiles") -> Method:
    """Put a method together; InputError says what is wrong in which file.

    ``item_text``: ``tune.item_text``; by ``facts`` a method that reads text is its own control by facts: it has none.
    """
    draft = _Draft()
    for layer in layers:
        draft.add(layer)
    words, models = draft.words, draft.words.get("models", "any")
    draft.check(f"search space {layers[-1].where}")
    facts = item_text == "facts" and words["reads"] == "text"
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
        controls=tuple(own for own in draft.controls(name) if not (facts and own == f"{name}_facts")),
        control_of=words.get("control_of"),
        takes=draft.takes,
        nests=words.get("nests"),
        without_text=words.get("without_text"),
        reads_profiles=item_text != "facts",
    )


@dataclass
class _Draft:
    """A method while its layers are put together."""

    words: dict[str, Any] = field(default_factory=dict)
    drawn: dict[str, Range | When] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    published: dict[str, Value] = field(default_factory=dict)
    extended: str | None = None
    takes: str | None = None

    def add(self, layer: Layer) -> None:
        """Put a layer on top; InputError for what can't be."""
        content, told = layer.content, f"search space {layer.where}"
        if layer.control is not None:
            self._take_away(layer.control, layer.method.removesuffix(f"_{layer.control}"), told)
        if content.controls is not None:
            self.extended = content.extends
        said = {name: getattr(content, name) for name in _WORDS}
        self.words |= {name: word for name, word in said.items() if word is not None}
        _put(self.fixed, content.fixed, f"{told}: fixed")
        _put(self.published, content.published, f"{told}: published")
        for name, given in content.space.items():
            if content.fixed.get(name) is not None:
                raise InputError(f"{told}: {name} stands under fixed and under space; leave one of them")
            self._search(name, given, f"{told}: space.{name}")

    def _take_away(self, word: str, of: str, told: str) -> None:
        """Make a control of the method so far: it keeps its draws, and fixes and reads what the control says."""
        control, reads = CONTROLS[word], self._reading(word)
        if reads is None:
            raise InputError(f"{told}: a method that reads {self.words.get('reads')} has no such control")
        self.words |= {"family": "control", "control_of": of, "controls": (), "reads": reads}
        self.takes = word
        _put(self.fixed, {name: v for name, v in control.fixed.items() if name in {*self.drawn, *self.fixed}}, told)

    def _reading(self, word: str) -> str | None:
        """Return what a control would read; none where a method that reads this can't have it."""
        given, control = str(self.words.get("reads")), CONTROLS[word].reads
        reads = given if control is None else f"{control}{given}" if control.endswith("_") else control
        return reads if reads in get_args(Reads) else None

    def controls(self, name: str) -> tuple[str, ...]:
        """Return the names of the method's own controls; what it extends is one where its list says so.

        Of a list that it has from what it extends those stay that fit what it reads itself.
        """
        words = tuple(word for word in self.words.get("controls") or () if word == EXTENDED or self._reading(word))
        base = (self.extended,) if EXTENDED in words and self.extended is not None else ()
        return (*control_names(name, words), *base)

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
        if (self.words["family"] == "control") != (self.words.get("control_of") is not None):
            raise InputError(f"{told}: a control has the family control, and names in `control_of` what it controls")
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
