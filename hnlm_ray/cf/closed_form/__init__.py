"""The models that are solved, not trained by gradients, by name."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.closed_form.base import Solved
from hnlm_ray.cf.closed_form.ease import EASE
from hnlm_ray.cf.closed_form.ials import IALS
from hnlm_ray.cf.closed_form.popularity import Popularity

__all__ = ["SOLVED"]

SOLVED: Final[dict[str, type[Solved]]] = {"ease": EASE, "ials": IALS, "popularity": Popularity}
