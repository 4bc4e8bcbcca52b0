"""A sampler's settings in a few words, such as 'M 8, lambda 0.5 (full)'."""

from __future__ import annotations

from hnlm_ray.cf.samplers import sampler_class
from hnlm_ray.config import CFConfig


def sampler_words(config: CFConfig) -> str:
    """Return what the negatives of a training depend on, beside its model: never empty."""
    sampler = sampler_class(config.sampler)
    return ", ".join(sampler.words(config)) or sampler.manner or config.sampler
