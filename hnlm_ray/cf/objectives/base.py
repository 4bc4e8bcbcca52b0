"""What a step gives an objective, and what every objective is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.models import EmbeddingModel
from hnlm_ray.cf.objectives.adapted import AdaptedNegatives
from hnlm_ray.cf.objectives.tiers import TextTiers
from hnlm_ray.cf.samplers import AnyNegatives
from hnlm_ray.config import CFConfig


@dataclass(frozen=True)
class Step:
    """One step's inputs.

    ``final`` float32[users + items, width] are the model's embeddings, ``hops`` float32[users + items, L + 1, dim]
    those of its layers where the sampler mixes layer by layer; ``negatives`` are none where the loss draws none.
    """

    final: Tensor
    hops: Tensor | None
    batch: Batch
    negatives: AnyNegatives | None


@dataclass(frozen=True)
class ObjectiveInputs:
    """What an objective is built from."""

    data: CFData
    config: CFConfig
    model: EmbeddingModel
    adapted: AdaptedNegatives | None
    tiers: TextTiers | None = None


class Objective:
    """What a step minimises: the ranking loss and reg * L2; a model's own terms come on top.

    ``reads_settings``: the settings within ``cf`` that not every loss reads, such as ``margin``.

    ``draws``: whether it needs negatives. ``whole_users``: whether a batch holds all pairs of its users.
    ``cosine``: whether scores are cosines in training; ranking is by cosine times the item's length ^ ``magnitude``.
    """

    reads_settings: ClassVar[tuple[str, ...]] = ()
    draws: ClassVar[bool] = True
    whole_users: ClassVar[bool] = False
    cosine: bool = False
    magnitude: float = 0.0

    def __init__(self, inputs: ObjectiveInputs) -> None:
        self.config, self.model, self.data = inputs.config, inputs.model, inputs.data

    def __call__(self, step: Step) -> Tensor:
        """Return the loss of a batch, a scalar."""
        raise NotImplementedError
