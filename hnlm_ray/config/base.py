"""What every part of the tree shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
MetricName = Annotated[str, Field(pattern=r"^(recall|ndcg|precision|hit_rate|mrr|map)@[1-9][0-9]*$")]
PairChoice = Literal["informative", "random"]
MethodName = Literal[
    "rns",
    "pns",
    "dns",
    "pool",
    "pool_alpha0",
    "pool_random",
    "pool_shuffled",
    "hnlmrec",
    "hnlmrec_alpha0",
    "hnlmrec_random",
    "hnlmrec_shuffled",
    "hnlmrec_frozen",
    "guard",
    "guard_no_text",
    "guard_shuffled",
]
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
]


class Section(BaseModel):
    """A part of the tree: unknown keys are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
