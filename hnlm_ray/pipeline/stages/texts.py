"""Stages in which the LLM writes: it describes items and users, judges candidates, names hard negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hnlm_ray.config import Config
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.methods.known import RunMethods, makes_negatives
from hnlm_ray.pipeline.declaring import (
    check_answering_model,
    check_encoder,
    encoder_content,
    engines,
    judges,
    later,
    llm_content,
    one_trial,
    section,
)
from hnlm_ray.workspace.stage import Stage

_JUDGEMENT_PROMPT = ("max_tokens", "person_chars", "history", "item_chars")


def _describes_items(config: Config) -> bool:
    reads_profiles = RunMethods.of(config.tune).reads_text and config.tune.item_text == "profiles"
    return reads_profiles or _describes_users(config)


def _item_profiles(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of item profiles."""
    keys = ("item_max_tokens", "summary_chars", "reasoning_chars", "item_text_chars", "item_reviews", "review_chars")
    profiles = config.profiles
    return llm_content(config, (profiles.item_prompt, profiles.item_simple_prompt), "profiles", *keys)


_ITEM_PROFILES = Stage(
    name="item_profiles",
    purpose="the LLM describes items",
    inputs=("items", "reviews"),
    outputs=("item_profiles",),
    depends_on=_item_profiles,
    run=later("hnlm_ray.profiles.items:write_item_profiles"),
    enabled=_describes_items,
    resumes=True,
    bundles=engines,
    check=check_answering_model,
    cost="hnlm_ray.plan.estimate.stage_costs:ITEM_PROFILES",
)


def _describes_users(config: Config) -> bool:
    return makes_negatives(config) or judges(config)


def _user_profiles(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of user profiles."""
    keys = ("user_max_tokens", "summary_chars", "reasoning_chars", "user_history", "user_item_chars", "review_chars")
    profiles = config.profiles
    return llm_content(config, (profiles.user_prompt, profiles.user_simple_prompt), "profiles", *keys)


_USER_PROFILES = Stage(
    name="user_profiles",
    purpose="the LLM describes users from their training items",
    inputs=("interactions", "items", "reviews", "item_profiles"),
    outputs=("user_profiles",),
    depends_on=_user_profiles,
    run=later("hnlm_ray.profiles.users:write_user_profiles"),
    enabled=_describes_users,
    resumes=True,
    bundles=engines,
    check=check_answering_model,
    cost="hnlm_ray.plan.estimate.stage_costs:USER_PROFILES",
)


def _candidates(config: Config) -> Mapping[str, object]:
    """Return how many are chosen, and what shapes the prompts by whose estimated length the budget is kept."""
    sizes = ("users", "candidates", "hard", "token_budget")
    evidence = section(config, "evidence", *sizes, *_JUDGEMENT_PROMPT)
    text = {**encoder_content(config), "item_text": config.tune.item_text}
    return {**evidence, "prompt": load_prompt(config.evidence.prompt).version, **text, "seed": config.seed}


_CANDIDATES = Stage(
    name="candidates",
    purpose="finds hard candidates on which the false-negative model is not sure",
    inputs=("interactions", "users", "items", "reviews", "item_profiles", "user_profiles"),
    outputs=("candidates",),
    depends_on=_candidates,
    run=later("hnlm_ray.evidence.candidates:find_candidates"),
    enabled=judges,
    enabled_by="evidence.judge=true",
    bundles=one_trial,
    check=check_encoder,
    cost="hnlm_ray.plan.estimate.stage_costs:CANDIDATES",
)


def _judgements(config: Config) -> Mapping[str, object]:
    """Return model, prompt and budgets of judgements."""
    evidence = config.evidence
    prompts = evidence.prompt, evidence.simple_prompt
    return llm_content(config, prompts, "evidence", *_JUDGEMENT_PROMPT, "reason_chars")


_JUDGEMENTS = Stage(
    name="judgements",
    purpose="the LLM judges which candidates a user would want",
    inputs=("interactions", "items", "item_profiles", "user_profiles", "candidates"),
    outputs=("judgements",),
    depends_on=_judgements,
    run=later("hnlm_ray.evidence.prompts:judge"),
    enabled=judges,
    enabled_by="evidence.judge=true",
    resumes=True,
    bundles=engines,
    check=check_answering_model,
    cost="hnlm_ray.plan.estimate.stage_costs:JUDGEMENTS",
)


def _semantic_negatives(config: Config) -> Mapping[str, object]:
    """Return model, prompt, budgets and the choice of pairs."""
    keys = ("pairs_per_user", "choose", "max_tokens", "name_chars", "reasoning_chars", "profile_chars")
    negatives = config.negatives
    return llm_content(config, (negatives.prompt, negatives.simple_prompt), "negatives", *keys)


_SEMANTIC_NEGATIVES = Stage(
    name="semantic_negatives",
    purpose="the LLM names hard negatives of training pairs",
    inputs=("interactions", "items", "item_profiles", "user_profiles"),
    outputs=("semantic_negatives",),
    depends_on=_semantic_negatives,
    run=later("hnlm_ray.negatives.text:write_semantic_negatives"),
    enabled=makes_negatives,
    resumes=True,
    bundles=engines,
    check=check_answering_model,
    cost="hnlm_ray.plan.estimate.stage_costs:SEMANTIC_NEGATIVES",
)

TEXTS: Final = (_ITEM_PROFILES, _USER_PROFILES, _CANDIDATES, _JUDGEMENTS, _SEMANTIC_NEGATIVES)
