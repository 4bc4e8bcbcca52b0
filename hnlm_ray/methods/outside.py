"""Samplers and models of the user's own in a comparison: what decides their trainings beside the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from hnlm_ray.base.outside import is_outside, source_hash
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.methods.dimensions import Choice, When
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.methods.method import Method


def compared_classes(tune: TuneConfig) -> dict[str, dict[str, str]]:
    """Return the hashes of the sources of a comparison's own classes, by name; an empty mapping where it has none."""
    return _content(name for method in RunMethods.of(tune).chosen.values() for name in _named(method))


def trained_classes(config: CFConfig) -> dict[str, dict[str, str]]:
    """Return the same of one training."""
    return _content((config.sampler, config.model))


def _content(names: Iterator[str] | tuple[str, ...]) -> dict[str, dict[str, str]]:
    found = {name: source_hash(name) for name in sorted({*names}) if is_outside(name)}
    return {"own_classes": found} if found else {}


def _named(method: Method) -> Iterator[str]:
    """Yield the samplers and the model that a method may train with."""
    yield method.model or ""
    yield from (str(values["sampler"]) for values in (method.fixed, method.published) if "sampler" in values)
    drawn = method.drawn.get("sampler")
    for one in drawn.ranges.values() if isinstance(drawn, When) else (drawn,):
        yield from map(str, one.values if isinstance(one, Choice) else ())
