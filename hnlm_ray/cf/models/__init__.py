"""The models, by name: those that gradients train. docs/extending.md shows how one is added."""

from __future__ import annotations

from typing import Final

from hnlm_ray.base.outside import is_outside, outside_class
from hnlm_ray.cf.models.alpharec import AlphaRec
from hnlm_ray.cf.models.base import EmbeddingModel, ModelInputs
from hnlm_ray.cf.models.id_text import IDText
from hnlm_ray.cf.models.kar import KAR
from hnlm_ray.cf.models.lightgcn import LightGCN
from hnlm_ray.cf.models.llmrec import LLMRec
from hnlm_ray.cf.models.mf import MF
from hnlm_ray.cf.models.ngcf import NGCF
from hnlm_ray.cf.models.rlmrec import RLMRecCon, RLMRecGen
from hnlm_ray.cf.models.sgl import SGL
from hnlm_ray.cf.models.simgcl import SimGCL
from hnlm_ray.cf.models.xsimgcl import XSimGCL

__all__ = ["MODELS", "EmbeddingModel", "ModelInputs", "model_class"]

MODELS: Final[dict[str, type[EmbeddingModel]]] = {
    "mf": MF,
    "lightgcn": LightGCN,
    "ngcf": NGCF,
    "sgl": SGL,
    "simgcl": SimGCL,
    "xsimgcl": XSimGCL,
    "id_text": IDText,
    "alpharec": AlphaRec,
    "rlmrec_con": RLMRecCon,
    "rlmrec_gen": RLMRecGen,
    "kar": KAR,
    "llmrec": LLMRec,
}


def model_class(name: str) -> type[EmbeddingModel]:
    """Return what ``cf.model`` names: one of ours, or ``module:Class`` of another package; InputError, see there."""
    return outside_class(name, EmbeddingModel) if is_outside(name) else MODELS[name]
