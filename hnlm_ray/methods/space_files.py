"""The shipped search spaces, a YAML file each, and what they extend; docs/sweeps.md says what stands in one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.yaml_text import YamlTextError, parse_yaml
from hnlm_ray.config.method_names import control_word, shipped_spaces
from hnlm_ray.config.spaces import DimensionConfig, SpaceConfig, Spaces

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
    return parse_space(shipped_spaces()[name].read_text(encoding="utf-8"), f"{name}.yaml")


def parse_space(text: str, where: str) -> SpaceConfig:
    """Return what a file holds; InputError with its name and the field that is wrong."""
    try:
        tree = parse_yaml(text)
    except YamlTextError as error:
        raise InputError(f"search space {where} {error}") from error
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
