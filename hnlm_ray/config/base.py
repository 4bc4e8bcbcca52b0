"""What every part of the tree shares."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hnlm_ray.base.outside import OrOutside

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
METRICS: Final = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")


def _is_a_metric(name: str) -> str:
    if not re.fullmatch(rf"({'|'.join(METRICS)})@[1-9][0-9]{{0,8}}", name):
        raise ValueError(f"use {'@k, '.join(METRICS)}@k with a k of tune.cutoffs, such as ndcg@20")
    return name


MetricName = Annotated[str, AfterValidator(_is_a_metric)]
PairChoice = Literal["informative", "random"]
MethodName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A file's name below hnlm_ray/methods/spaces, or a method of the user's own (:mod:`hnlm_ray.config.spaces`)."""
ModelName = Literal["mf", "lightgcn", "ngcf", "sgl", "simgcl", "xsimgcl"]
CFModelName = Literal[
    "mf",
    "lightgcn",
    "ngcf",
    "sgl",
    "simgcl",
    "xsimgcl",
    "id_text",
    "alpharec",
    "rlmrec_con",
    "rlmrec_gen",
    "kar",
    "llmrec",
    "ease",
    "ials",
    "popularity",
]
AnyModel = Annotated[CFModelName, OrOutside("cf.model")]
"""One of ours, or ``module:Class`` of another package."""


class Section(BaseModel):
    """A part of the tree: unknown keys are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
