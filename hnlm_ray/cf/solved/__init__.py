"""The models that are solved, not trained by gradients, by name."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.solved.base import Solved
from hnlm_ray.cf.solved.ease import EASE
from hnlm_ray.cf.solved.ials import IALS
from hnlm_ray.cf.solved.popularity import Popularity

__all__ = ["SOLVED"]

SOLVED: Final[dict[str, type[Solved]]] = {"ease": EASE, "ials": IALS, "popularity": Popularity}
