"""Semantic negatives in text form: for a (user, item) pair the LLM names a hard negative (paper v1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnlm_ray.config import Config, NegativesConfig
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.llm.rows.stream import run_llm
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.chat_tokens import BoundedTexts
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.negatives.pair_choice import Choose, pair_choice
from hnlm_ray.profiles.users import liked_item
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.training_data import (
    UserHistory,
    bucket_count,
    histories,
    rows_by_item,
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
    users: Sequence[UserHistory], known: Described, config: NegativesConfig, choose: Choose
) -> list[RowPrompt]:
    """Return one prompt a chosen pair: the user's profile first, so that a user's pairs share it."""

    def prompt(user: int, item: int, taste: str) -> RowPrompt:
        texts = BoundedTexts()
        liked = liked_item(known.items[item], known.item_profiles.get(item), config.profile_chars, texts)
        data: dict[str, object] = {"person": taste, "liked item": liked} if taste else {"liked item": liked}
        return RowPrompt((user, item), data, texts.cut, texts.defused)

    prompts = []
    for history in users:
        taste = str((known.user_profiles.get(history.user) or {}).get("summary") or "")[: config.profile_chars]
        prompts += [prompt(history.user, item, taste) for item in choose(history, config.pairs_per_user)]
    return prompts


def semantic_negative_task(config: Config, workspace: Workspace) -> LLMTask:
    """Return what the stage asks of training pairs."""
    negatives = config.negatives

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        items, item_profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        known = Described(items, item_profiles, user_profiles(workspace, bucket))
        return pair_prompts(users, known, negatives, pair_choice(workspace, negatives.choose, config.seed))

    return LLMTask(
        table="semantic_negatives",
        keys=("user", "item"),
        buckets=bucket_count(workspace),
        prompts=prompts,
        expected=AnswerFormat({"hard_negative_item": negatives.name_chars, "reasoning": negatives.reasoning_chars}),
        columns={"hard_negative_item": "negative", "reasoning": "reasoning"},
        max_tokens=negatives.max_tokens,
        prompt=load_prompt(negatives.prompt),
        simple=load_prompt(negatives.simple_prompt),
        limit="negatives.max_tokens",
    )


def write_semantic_negatives(run: StageRun) -> Outcome:
    """Stage: interactions (training rows), items and profiles -> semantic_negatives."""
    return run_llm(run, semantic_negative_task(run.config, run.workspace))
