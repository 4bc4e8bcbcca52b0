"""Recommendations of the chosen model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hnlm_ray.config.base import Count, Section


class RecommendConfig(Section):
    """The model that recommends, and how much it gives each user."""

    k: Count = Field(
        20, description="Items a user gets; one without a positive in what the model is trained on goes to nobody."
    )
    train_on: Literal["all", "train"] = Field(
        "all",
        description="all: the chosen method is trained anew on every positive, held-out ones too (nothing is measured "
        "on it); train: on training rows alone, so that its lists can be checked against the held-out ones.",
    )
