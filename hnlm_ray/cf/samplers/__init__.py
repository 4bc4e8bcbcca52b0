"""The negative samplers, by name; docs/extending.md shows how one is added.

Negatives are drawn among the items that are no *training* positives of the user. Validation and test
positives are legal negatives, as in the literature: a sampler never sees them.
"""

from __future__ import annotations

from typing import Final

from hnlm_ray.base.outside import is_outside, outside_class
from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import AnyNegatives, HopNegatives, Negatives, Sampler, SamplerInputs, SharedNegatives
from hnlm_ray.cf.samplers.dynamic import AdaptiveHardnessSampler, TopOfManySampler
from hnlm_ray.cf.samplers.in_batch import HardInBatchSampler
from hnlm_ray.cf.samplers.layered import DINSSampler, MixGCFSampler
from hnlm_ray.cf.samplers.mixed import CLASSICAL, PoolSampler, VectorSampler
from hnlm_ray.cf.samplers.srns import MemorySampler
from hnlm_ray.config import CFConfig

__all__ = [
    "SAMPLERS",
    "AnyNegatives",
    "Batch",
    "HopNegatives",
    "Negatives",
    "Sampler",
    "SamplerInputs",
    "SharedNegatives",
    "sampler_class",
    "sampler_drawn_by",
]

SAMPLERS: Final[dict[str, type[Sampler]]] = {
    **CLASSICAL,
    "dns_mn": TopOfManySampler,
    "srns": MemorySampler,
    "mixgcf": MixGCFSampler,
    "dins": DINSSampler,
    "ahns": AdaptiveHardnessSampler,
    "in_batch": HardInBatchSampler,
    "pool": PoolSampler,
    "vectors": VectorSampler,
}


def sampler_class(name: str) -> type[Sampler]:
    """Return what ``cf.sampler`` names: one of ours, or ``module:Class`` of another package; InputError, see there."""
    return outside_class(name, Sampler) if is_outside(name) else SAMPLERS[name]


def sampler_drawn_by(config: CFConfig) -> type[Sampler]:
    """Return what draws the catalogue's items: the sampler, or the one that it mixes a hard part with."""
    found = sampler_class(config.sampler)
    return CLASSICAL[config.base_sampler] if found.mixes else found
