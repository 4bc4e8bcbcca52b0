"""A sampler's settings in a few words, such as 'M 8, lambda 0.5 (full)'."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.settings import CANDIDATE_SAMPLERS
from hnlm_ray.config import CFConfig

_MIXED: Final = ("pool", "vectors")
_OTHERS: Final = {"rns": "uniform", "srns": "of its memory", "in_batch": "of its batch"}


def sampler_words(config: CFConfig) -> str:
    """Return what the negatives of a training depend on, beside its model: never empty."""
    drawn_by = config.base_sampler if config.sampler in _MIXED else config.sampler
    words = [f"alpha {config.alpha:.3g} with {drawn_by}"] if config.sampler in _MIXED else []
    if drawn_by == "pns":
        words.append(f"popularity to the {config.popularity_power:.3g}")
    if drawn_by in CANDIDATE_SAMPLERS:
        words += _of_candidates(config, drawn_by)
    return ", ".join(words) or _OTHERS[drawn_by]


def _of_candidates(config: CFConfig, drawn_by: str) -> list[str]:
    top = f"{config.dns.top} of " if drawn_by == "dns_mn" else ""
    words = [f"{top}M {config.candidates}"]
    words += [f"lambda {config.guard:g} ({config.guard_features})"] if config.guard else []
    words += [f"pool share {config.pool_share:g}"] if config.pool_share else []
    return words
