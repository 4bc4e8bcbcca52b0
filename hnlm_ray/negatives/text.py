"""Semantic negatives in text form: for a (user, item) pair the LLM names a hard negative (paper v1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnlm_ray.config import NegativesConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.batch import run_llm
from hnlm_ray.llm.job import LLMTask, RowPrompt
from hnlm_ray.llm.prompts import Prompt, load_prompt
from hnlm_ray.profiles.users import liked_item
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.training_data import (
    UserHistory,
    bucket_count,
    histories,
    rows_by_item,
    select_pairs,
    training_rows,
    user_profiles,
)

Table = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Described:
    """What is known of items and users, by index: rows of items, item_profiles and user_profiles."""

    items: Table
    item_profiles: Table
    user_profiles: Table


def pair_prompts(
    users: Sequence[UserHistory], known: Described, prompt: Prompt, config: NegativesConfig, seed: int
) -> list[RowPrompt]:
    """Return one prompt a chosen pair: the user's profile first, so that a user's pairs share it."""
    prompts = []
    for history in users:
        taste = str((known.user_profiles.get(history.user) or {}).get("summary") or "")[: config.profile_chars]
        for item in select_pairs(history, config.pairs_per_user, seed):
            liked = liked_item(known.items[item], known.item_profiles.get(item), config.profile_chars)
            data: dict[str, object] = {"person": taste, "liked item": liked} if taste else {"liked item": liked}
            prompts.append(RowPrompt((history.user, item), prompt.messages(data)))
    return prompts


def write_semantic_negatives(run: StageRun) -> Outcome:
    """Stage: interactions (training rows), items and profiles -> semantic_negatives."""
    config, workspace = run.config.negatives, run.workspace
    prompt, seed = load_prompt(config.prompt), run.config.seed

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        items, item_profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        known = Described(items, item_profiles, user_profiles(workspace, bucket))
        return pair_prompts(users, known, prompt, config, seed)

    task = LLMTask(
        table="semantic_negatives",
        keys=("user", "item"),
        expected=AnswerFormat({"hard_negative_item": config.name_chars, "reasoning": config.reasoning_chars}),
        columns={"hard_negative_item": "negative", "reasoning": "reasoning"},
        max_tokens=config.max_tokens,
        prompt_version=prompt.version,
        buckets=bucket_count(workspace),
        prompts=prompts,
    )
    return run_llm(run, task)
