"""The samplers that a semantic negative can be mixed with: they draw one catalogue item for each pair."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.samplers.base import Sampler
from hnlm_ray.cf.samplers.dynamic import DynamicSampler
from hnlm_ray.cf.samplers.static import PopularitySampler, StaticSampler

CLASSICAL: Final[dict[str, type[Sampler]]] = {
    "rns": StaticSampler,
    "pns": PopularitySampler,
    "dns": DynamicSampler,
}
