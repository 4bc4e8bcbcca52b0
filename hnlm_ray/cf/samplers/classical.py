"""The samplers that a semantic negative can be mixed with: they draw one catalogue item for each pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hnlm_ray.cf.samplers.base import Sampler, SamplerInputs
from hnlm_ray.cf.samplers.dynamic import DynamicSampler
from hnlm_ray.cf.samplers.static import StaticSampler, popularity_sampler

CLASSICAL: Final[dict[str, Callable[[SamplerInputs], Sampler]]] = {
    "rns": StaticSampler,
    "pns": popularity_sampler,
    "dns": DynamicSampler,
}
