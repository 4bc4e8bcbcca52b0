"""User profiles: the LLM reads titles and profiles of a user's *training* items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnlm_ray.config import ProfileConfig
from hnlm_ray.llm.batch import run_llm
from hnlm_ray.llm.job import LLMTask, RowPrompt
from hnlm_ray.llm.prompts import Prompt, load_prompt
from hnlm_ray.profiles.items import PROFILE_COLUMNS, item_facts, profile_format
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.training_data import UserHistory, bucket_count, histories, rows_by_item, training_rows

Table = Mapping[int, Mapping[str, Any]]


def liked_item(item: Mapping[str, Any], profile: Mapping[str, Any] | None, profile_chars: int) -> dict[str, str]:
    """Describe a liked item by its title and profile; by its other facts when it has no profile."""
    facts = item_facts(item, profile_chars)
    summary = (profile or {}).get("summary")
    if not summary:
        return facts
    short = {"profile": summary[:profile_chars]} if profile_chars else {}
    return {name: facts[name] for name in ("title",) if name in facts} | short


def user_prompts(
    users: Sequence[UserHistory], items: Table, profiles: Table, prompt: Prompt, config: ProfileConfig
) -> list[RowPrompt]:
    """Return one prompt a user, showing the latest ``user_history`` training items."""

    def liked(history: UserHistory) -> list[dict[str, str]]:
        shown = history.items[: config.user_history]
        return [liked_item(items[item], profiles.get(item), config.user_item_chars) for item in shown]

    return [RowPrompt((history.user,), prompt.messages({"liked": liked(history)})) for history in users]


def write_user_profiles(run: StageRun) -> Outcome:
    """Stage: interactions (training rows), items, item_profiles -> user_profiles."""
    config, workspace = run.config.profiles, run.workspace
    prompt = load_prompt(config.user_prompt)

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        items, profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        return user_prompts(users, items, profiles, prompt, config)

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
