"""The trials drawn from the methods' search spaces: equal budgets, paired draws.

Trial 0 of a method is the setting that the configuration gives (its defaults are the published ones; where a
method is published with another value than the default, that one is taken in the default's place).
In every other trial all methods share the draw of learning rate and regularisation; what is a method's
own is drawn apart. The controls search the space of the method that they control.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from hnlm_ray.config import CFConfig, MethodName, ModelName
from hnlm_ray.tune.dimensions import LogUniform, Space, Value, draw
from hnlm_ray.tune.methods import METHODS, Method

SHARED: Final[Space] = {"lr": LogUniform(5e-4, 1e-2), "reg": LogUniform(1e-6, 1e-3)}
SHARED_STREAM: Final = 0
ABSENT: Final[Mapping[str, Value]] = {"graph": 0.0}
"""What models other than LightGCN have no use for, whatever is drawn."""


def search_space(method: MethodName) -> Space:
    """Return everything that the method searches; the models have no parameters of their own to search."""
    entry = METHODS[method]
    return {**SHARED, **{name: space for name, space in entry.own.items() if name not in entry.fixed}}


def sample_trials(base: CFConfig, method: MethodName, model: ModelName, trials: int, seed: int) -> list[CFConfig]:
    """Draw the configurations of a method's trials; the first is ``base`` itself.

    The same arguments give the same trials, and more trials begin with the fewer.
    """
    entry = METHODS[method]
    shared = np.random.default_rng([seed, SHARED_STREAM])
    own = np.random.default_rng([seed, entry.stream])
    drawn = [_published(base, entry)]
    drawn.extend({**draw(SHARED, shared), **draw(entry.own, own)} for _ in range(trials - 1))
    absent = {} if model == "lightgcn" else ABSENT
    start = {**base.model_dump(), "model": model, "sampler": entry.sampler}
    return [CFConfig.model_validate({**start, **values, **entry.fixed, **absent}) for values in drawn]


def _published(base: CFConfig, method: Method) -> dict[str, Value]:
    # By value, not by what was written: a configuration that spells its defaults out is the same configuration.
    defaults = CFConfig()
    return {name: value for name, value in method.published.items() if getattr(base, name) == getattr(defaults, name)}
