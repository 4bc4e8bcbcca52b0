"""The models that are solved, not trained by gradients, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hnlm_ray.cf.solved.ease import EASE
from hnlm_ray.cf.solved.ials import IALS
from hnlm_ray.cf.solved.popularity import Popularity
from hnlm_ray.cf.stepped import Stepped

__all__ = ["SOLVED"]

SOLVED: Final[dict[str, Callable[..., Stepped]]] = {"ease": EASE, "ials": IALS, "popularity": Popularity}
