"""User profiles: the LLM reads titles and profiles of a user's *training* items, and the user's reviews of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnlm_ray.config import Config, ProfileConfig
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.llm.rows.stream import run_llm
from hnlm_ray.llm.text.chat_tokens import BoundedTexts
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.profiles.items import PROFILE_COLUMNS, TITLE_CHARS, item_facts, profile_format
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.training_data import (
    UserHistory,
    bucket_count,
    histories,
    rows_by_item,
    training_rows,
    user_reviews,
)

Table = Mapping[int, Mapping[str, Any]]


def liked_item(
    item: Mapping[str, Any],
    profile: Mapping[str, Any] | None,
    profile_chars: int,
    texts: BoundedTexts | None = None,
) -> dict[str, str]:
    """Describe a liked item by its title and profile; by its other facts when it has no profile."""
    summary = (profile or {}).get("summary")
    if not summary:
        return item_facts(item, profile_chars, texts)
    title = (texts or BoundedTexts()).take(item["title"], TITLE_CHARS)
    described = {"title": title, "profile": summary[:profile_chars]}
    return {name: value for name, value in described.items() if value}


@dataclass(frozen=True)
class Known:
    """What is known of items, by index, and of training pairs: what the user wrote of the item."""

    items: Table
    profiles: Table
    reviews: Mapping[tuple[int, int], str]


def user_prompts(users: Sequence[UserHistory], known: Known, config: ProfileConfig) -> list[RowPrompt]:
    """Return one prompt a user, showing the latest ``user_history`` training items with the user's own reviews."""

    def liked(user: int, item: int, texts: BoundedTexts) -> dict[str, str]:
        said = texts.take(known.reviews.get((user, item)), config.review_chars)
        facts = liked_item(known.items[item], known.profiles.get(item), config.user_item_chars, texts)
        return {**facts, **({"review": said} if said else {})}

    def prompt(history: UserHistory) -> RowPrompt:
        texts = BoundedTexts()
        shown = [liked(history.user, item, texts) for item in history.items[: config.user_history]]
        return RowPrompt((history.user,), {"liked": shown}, texts.cut, texts.defused)

    return [prompt(history) for history in users]


def user_profile_task(config: Config, workspace: Workspace) -> LLMTask:
    """Return what the stage asks of users."""
    profiles = config.profiles

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        items, item_profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        reviews = user_reviews(workspace, bucket) if profiles.review_chars else {}
        return user_prompts(users, Known(items, item_profiles, reviews), profiles)

    return LLMTask(
        table="user_profiles",
        keys=("user",),
        buckets=bucket_count(workspace),
        prompts=prompts,
        expected=profile_format(profiles),
        columns=PROFILE_COLUMNS,
        max_tokens=profiles.user_max_tokens,
        prompt=load_prompt(profiles.user_prompt),
        simple=load_prompt(profiles.user_simple_prompt),
        limit="profiles.user_max_tokens",
    )


def write_user_profiles(run: StageRun) -> Outcome:
    """Stage: interactions and reviews (training rows), items, item_profiles -> user_profiles."""
    return run_llm(run, user_profile_task(run.config, run.workspace))
