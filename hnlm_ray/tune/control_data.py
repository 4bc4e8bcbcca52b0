"""The data that each method of the comparison trains on."""

from __future__ import annotations

from dataclasses import replace

from hnlm_ray.cf import CFData, random_pool, shuffled_pool
from hnlm_ray.config import MethodName


def method_data(method: MethodName, data: CFData, seed: int) -> CFData:
    """Return ``data`` with the pool that the method trains on: a control gets its own, the others this one.

    InputError where a control needs a pool and there is none.
    """
    if method == "pool_random":
        return replace(data, pool=random_pool(data, seed))
    if method == "pool_shuffled":
        return replace(data, pool=shuffled_pool(data, seed))
    return data
