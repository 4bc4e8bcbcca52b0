"""From what a file says of a search space to ranges of settings that a training has and takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.outside import is_outside
from hnlm_ray.config import CFConfig
from hnlm_ray.config.base import CFModelName
from hnlm_ray.config.spaces import DimensionConfig, RangeConfig
from hnlm_ray.methods.method import Choice, Int, LogUniform, Range, Space, Uniform, Value, When

_BETWEEN: Final = 0.4142
"""Where between its bounds a range is tried too: a setting that takes whole numbers refuses that."""
_ELSEWHERE: Final = {
    "model": "the key `model` or tune.models says it",
    "validation": "trials are chosen on validation rows",
}


def value_at(config: CFConfig, path: str) -> Any:  # noqa: ANN401  any setting's value
    """Return the value of a setting by its path within ``cf``."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_values(tree: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Return a copy of a tree of settings with some of them, by their paths, replaced."""
    changed = dict(tree)
    for path, value in values.items():
        section, _, inner = path.partition(".")
        changed[section] = with_values(changed.get(section, {}), {inner: value}) if inner else value
    return changed


def parse_value(path: str, value: object, told: str) -> Value:
    """Return a value as ``cf`` holds it; InputError where there is no such setting, or where it refuses the value."""
    check_setting(path, told)
    try:
        parsed: Value = value_at(CFConfig.model_validate(with_values({}, {path: value})), path)  # type: ignore[dict-item]
    except ValidationError as error:
        detail = error.errors()[0]["msg"].removeprefix("Value error, ")
        message = f"{detail[0].lower()}{detail[1:]}"
        raise InputError(f"{told}: cf.{path} can't be {str(value)[:80]!r}; {message}") from error
    return parsed


def check_setting(path: str, told: str) -> None:
    """Raise InputError where ``cf`` has no such setting, or a search can't have it."""
    if path not in _settings():
        raise InputError(f"{told}: cf has no setting {path[:80]!r}; `hnlm config schema` names them all")
    if path in _ELSEWHERE:
        raise InputError(f"{told}: {path} is no parameter of a method; {_ELSEWHERE[path]}")


@cache
def _settings() -> frozenset[str]:
    return frozenset(_paths(CFConfig, ""))


def _paths(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _paths(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def build_dimension(path: str, given: DimensionConfig, before: Space, told: str) -> Range | When:
    """Return the dimension of a parameter.

    ``before`` are the dimensions that stand before it. InputError where a value is refused, or where the condition
    names a parameter or a value that isn't there.
    """
    check_setting(path, told)
    if given.when is None or given.branches is None:
        return build_range(path, given, told)
    on = given.when
    return When(
        on,
        {
            _condition(on, text, before, told): build_range(path, branch, f"{told}.is.{text}")
            for text, branch in given.branches.items()
        },
    )


def _condition(on: str, text: str, before: Space, told: str) -> Value:
    """Return the value of a condition; InputError where the parameter that it is about never has it."""
    if on == "model":
        allowed: tuple[Value, ...] = (*get_args(CFModelName), *((text,) if is_outside(text) else ()))
        value: Value = text
    else:
        value = parse_value(on, text, f"{told}.when")
        allowed = possible_values(before[on], on, told) if on in before else (value,)
    if value not in allowed:
        shown = ", ".join(str(one) for one in allowed)
        raise InputError(f"{told}.is: {on} is never {text[:80]!r}; use one of {shown}")
    return value


def possible_values(dimension: Range | When, name: str, told: str) -> tuple[Value, ...]:
    """Return the values of a parameter that another depends on; InputError where it is no choice."""
    ranges = dimension.ranges.values() if isinstance(dimension, When) else (dimension,)
    if not all(isinstance(one, Choice) for one in ranges):
        raise InputError(f"{told}.when: {name} is a range of numbers; a condition needs a parameter that is a choice")
    return tuple(value for one in ranges if isinstance(one, Choice) for value in one.values)


def build_range(path: str, given: RangeConfig, told: str) -> Range:
    """Return a range, each of whose values the setting takes: its ends and one between, or all of a choice."""
    if given.choice is not None:
        return Choice(tuple(parse_value(path, value, f"{told}.choice") for value in given.choice))
    kind, (low, high) = _bounds(given)
    whole = kind in {"int", "log_int"}
    for value in (low, high) if whole else (low, high, low + (high - low) * _BETWEEN):
        parse_value(path, value, f"{told}.{kind}")
    if whole:
        return Int(int(low), int(high), log=kind == "log_int")
    return LogUniform(low, high) if kind == "log_uniform" else Uniform(low, high)


def _bounds(given: RangeConfig) -> tuple[str, tuple[float, float]]:
    named = {
        "uniform": given.uniform,
        "log_uniform": given.log_uniform,
        "int": given.whole,
        "log_int": given.log_int,
    }
    return next((kind, bounds) for kind, bounds in named.items() if bounds is not None)
