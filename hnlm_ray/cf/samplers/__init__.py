"""Negative samplers: RNS, PNS, DNS, and what the LLM made mixed with one of them.

Negatives are drawn among the items that are no *training* positives of the user. Validation and test
positives are legal negatives, as in the literature: a sampler never sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hnlm_ray.cf.samplers.base import Batch, Negatives, Sampler, SamplerInputs
from hnlm_ray.cf.samplers.classical import CLASSICAL
from hnlm_ray.cf.samplers.mixed import PoolSampler, VectorSampler

__all__ = ["SAMPLERS", "Batch", "Negatives", "Sampler", "SamplerInputs"]

SAMPLERS: Final[dict[str, Callable[[SamplerInputs], Sampler]]] = {
    **CLASSICAL,
    "pool": PoolSampler,
    "vectors": VectorSampler,
}
