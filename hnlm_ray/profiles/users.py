"""User profiles: the LLM reads titles and profiles of a user's *training* items, and the user's reviews of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnlm_ray.config import ProfileConfig
from hnlm_ray.llm.answers import clean
from hnlm_ray.llm.batch import run_llm
from hnlm_ray.llm.job import LLMTask, RowPrompt
from hnlm_ray.llm.prompts import Prompt, load_prompt
from hnlm_ray.profiles.items import PROFILE_COLUMNS, item_facts, profile_format
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.training_data import UserHistory, bucket_count, histories, rows_by_item, training_rows, user_reviews

Table = Mapping[int, Mapping[str, Any]]


def liked_item(item: Mapping[str, Any], profile: Mapping[str, Any] | None, profile_chars: int) -> dict[str, str]:
    """Describe a liked item by its title and profile; by its other facts when it has no profile."""
    facts = item_facts(item, profile_chars)
    summary = (profile or {}).get("summary")
    if not summary:
        return facts
    short = {"profile": summary[:profile_chars]} if profile_chars else {}
    return {name: facts[name] for name in ("title",) if name in facts} | short


@dataclass(frozen=True)
class Known:
    """What is known of items, by index, and of training pairs: what the user wrote of the item."""

    items: Table
    profiles: Table
    reviews: Mapping[tuple[int, int], str]


def user_prompts(users: Sequence[UserHistory], known: Known, prompt: Prompt, config: ProfileConfig) -> list[RowPrompt]:
    """Return one prompt a user, showing the latest ``user_history`` training items with the user's own reviews."""

    def liked(user: int, item: int) -> dict[str, str]:
        said = clean(known.reviews.get((user, item), ""))[: config.review_chars]
        facts = liked_item(known.items[item], known.profiles.get(item), config.user_item_chars)
        return {**facts, **({"review": said} if said else {})}

    def data(history: UserHistory) -> dict[str, object]:
        return {"liked": [liked(history.user, item) for item in history.items[: config.user_history]]}

    return [RowPrompt((history.user,), prompt.messages(data(history))) for history in users]


def write_user_profiles(run: StageRun) -> Outcome:
    """Stage: interactions and reviews (training rows), items, item_profiles -> user_profiles."""
    config, workspace = run.config.profiles, run.workspace
    prompt = load_prompt(config.user_prompt)

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        items, profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        reviews = user_reviews(workspace, bucket) if config.review_chars else {}
        return user_prompts(users, Known(items, profiles, reviews), prompt, config)

    task = LLMTask(
        table="user_profiles",
        keys=("user",),
        expected=profile_format(config),
        columns=PROFILE_COLUMNS,
        max_tokens=config.user_max_tokens,
        prompt_version=prompt.version,
        buckets=bucket_count(workspace),
        prompts=prompts,
    )
    return run_llm(run, task)
