"""Stages that recommend: the best method trained once more, and everybody's lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.pipeline.declaring import item_text_content, later, one_trial, section, wants_all
from hnlm_ray.workspace.stage import Stage


def _final_model(config: Config) -> Mapping[str, object]:
    """Return what the model is trained on, and what it is chosen by."""
    return {
        **section(config, "recommend", "train_on"),
        **section(config, "tune", "metric"),
        **item_text_content(config),
        "seed": config.seed,
    }


_FINAL_MODEL = Stage(
    name="final_model",
    purpose="trains the method that is best on validation once more, to recommend with",
    inputs=(
        *("trials", "results", "interactions", "users", "items", "reviews", "item_profiles"),
        *("user_profiles", "judgements"),
        *("teacher_items", "negative_pool"),
    ),
    outputs=("model_users", "model_items"),
    depends_on=_final_model,
    run=later("hnlm_ray.recommend.final_model:train_final_model"),
    enabled=wants_all,
    on_request=True,
    bundles=one_trial,
    cost="hnlm_ray.plan.estimate.stage_costs:FINAL_MODEL",
)


def _recommendations(config: Config) -> Mapping[str, object]:
    """Return how long a list is, what counts as seen, and whether that is kept (drop: as before there was this)."""
    keys = ("k", "train_on") if config.recommend.seen == "drop" else ("k", "train_on", "seen")
    return section(config, "recommend", *keys)


_RECOMMENDATIONS = Stage(
    name="recommendations",
    purpose="the best items of every user: unseen ones, or all (recommend.seen)",
    inputs=("model_users", "model_items", "interactions"),
    outputs=("recommendations",),
    depends_on=_recommendations,
    run=later("hnlm_ray.recommend.lists:recommend_to_all"),
    enabled=wants_all,
    on_request=True,
    resumes=True,
    bundles=one_trial,
    cost="hnlm_ray.plan.estimate.stage_costs:RECOMMENDATIONS",
)

RECOMMENDING: Final = (_FINAL_MODEL, _RECOMMENDATIONS)
