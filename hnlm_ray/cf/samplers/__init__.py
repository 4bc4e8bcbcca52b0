"""The negative samplers, by name. A new one is a file here and a line in ``SAMPLERS``.

Negatives are drawn among the items that are no *training* positives of the user. Validation and test
positives are legal negatives, as in the literature: a sampler never sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hnlm_ray.cf.batches import Batch
from hnlm_ray.cf.samplers.ahns import AdaptiveHardnessSampler
from hnlm_ray.cf.samplers.base import AnyNegatives, HopNegatives, Negatives, Sampler, SamplerInputs, SharedNegatives
from hnlm_ray.cf.samplers.classical import CLASSICAL
from hnlm_ray.cf.samplers.dins import DINSSampler
from hnlm_ray.cf.samplers.dns_mn import TopOfManySampler
from hnlm_ray.cf.samplers.in_batch import in_batch_sampler
from hnlm_ray.cf.samplers.mixed import PoolSampler, VectorSampler
from hnlm_ray.cf.samplers.mixgcf import MixGCFSampler
from hnlm_ray.cf.samplers.srns import MemorySampler

__all__ = [
    "SAMPLERS",
    "AnyNegatives",
    "Batch",
    "HopNegatives",
    "Negatives",
    "Sampler",
    "SamplerInputs",
    "SharedNegatives",
]

SAMPLERS: Final[dict[str, Callable[[SamplerInputs], Sampler]]] = {
    **CLASSICAL,
    "dns_mn": TopOfManySampler,
    "srns": MemorySampler,
    "mixgcf": MixGCFSampler,
    "dins": DINSSampler,
    "ahns": AdaptiveHardnessSampler,
    "in_batch": in_batch_sampler,
    "pool": PoolSampler,
    "vectors": VectorSampler,
}
