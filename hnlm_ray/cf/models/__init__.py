"""The models, by name: those that gradients train. A new one is a file here and a line in ``MODELS``."""

from __future__ import annotations

from typing import Final

from hnlm_ray.cf.models.base import EmbeddingModel, ModelInputs
from hnlm_ray.cf.models.lightgcn import LightGCN
from hnlm_ray.cf.models.mf import MF

__all__ = ["MODELS", "EmbeddingModel", "ModelInputs"]

MODELS: Final[dict[str, type[EmbeddingModel]]] = {"mf": MF, "lightgcn": LightGCN}
