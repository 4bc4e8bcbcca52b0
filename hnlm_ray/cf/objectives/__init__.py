"""The losses, by name: what a step minimises. docs/extending.md shows how one is added."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.objectives.base import Objective, ObjectiveInputs, Step
from hnlm_ray.cf.objectives.catalogue import CatalogueObjective, SFCMLObjective, SoftmaxObjective, block_of
from hnlm_ray.cf.objectives.pairs import HingeObjective, PairObjective
from hnlm_ray.cf.objectives.sampled import SampledSoftmaxObjective

__all__ = [
    "LOSSES",
    "CatalogueObjective",
    "HingeObjective",
    "Objective",
    "ObjectiveInputs",
    "PairObjective",
    "Step",
    "block_of",
]

LOSSES: Final[dict[str, type[Objective]]] = {
    "bpr": PairObjective,
    "hinge": HingeObjective,
    "softmax": SoftmaxObjective,
    "sampled_softmax": SampledSoftmaxObjective,
    "sfcml": SFCMLObjective,
}
