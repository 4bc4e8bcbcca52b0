"""From values drawn for a method to the configuration of its trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hnlm_ray.config import CFConfig, ModelName
from hnlm_ray.methods.method import Method, Range, Value, When
from hnlm_ray.methods.space_checks import value_at, with_values

ABSENT: Final[Mapping[str, Value]] = {"graph": 0.0}
"""What models other than LightGCN have no use for, whatever is published."""

Pick = Callable[[str, str, Range], Value]
"""Chooses a value: of the key that tells a parameter's ranges apart, the parameter, and its range."""


def trial_config(base: CFConfig, method: Method, model: ModelName, values: Mapping[str, Value]) -> CFConfig:
    """Return the configuration of a trial: the given one, what was chosen on top, and what the method fixes."""
    trained = method.model or model
    absent = {} if trained == "lightgcn" else ABSENT
    # tune.models and tune.methods decide over these two.
    start = {**base.model_dump(), "model": trained, "sampler": "rns"}
    return CFConfig.model_validate(with_values(start, {**values, **method.fixed, **absent}))


def published_config(base: CFConfig, method: Method, model: ModelName) -> CFConfig:
    """Return the first trial: the given configuration, with the published value in the place of each default."""
    # By value, not by what was written: a configuration that spells its defaults out is the same configuration.
    defaults = CFConfig()
    given = {name for name in method.published if value_at(base, name) != value_at(defaults, name)}
    return trial_config(
        base, method, model, {name: value for name, value in method.published.items() if name not in given}
    )


def nested_base(winner: CFConfig) -> CFConfig:
    """Return the settings of a classical trial for a method that mixes: its sampler is the one that is mixed with."""
    return winner.model_copy(update={"base_sampler": winner.sampler, "sampler": "rns"})


def choose(base: CFConfig, method: Method, model: ModelName, pick: Pick) -> dict[str, Value]:
    """Choose the parameters of a trial in the order of the space, each only where its condition holds."""
    space, chosen = method.space, dict[str, Value]()
    outside: dict[str, Value] = {"model": method.model or model, **method.fixed}
    for name, dimension in space.items():
        if not isinstance(dimension, When):
            chosen[name] = pick(name, name, dimension)
            continue
        on = dimension.on
        value = chosen.get(on) if on in space else outside[on] if on in outside else value_at(base, on)
        if value is not None and value in dimension.ranges:
            chosen[name] = pick(_key(name, dimension, value), name, dimension.ranges[value])
    return chosen


def _key(name: str, dimension: When, value: Value) -> str:
    """Return one key for all conditions under which the parameter has the same range."""
    alike = next(key for key, one in dimension.ranges.items() if one == dimension.ranges[value])
    return f"{name} where {dimension.on} is {alike}"
