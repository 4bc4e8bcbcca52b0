"""Item profiles: the LLM reads an item's title, attributes and text, and what training users wrote of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnlm_ray.config import Config, ProfileConfig
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.llm.rows.stream import run_llm
from hnlm_ray.llm.text.answers import AnswerFormat, clean
from hnlm_ray.llm.text.chat_tokens import BoundedTexts
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.training_data import item_reviews

TITLE_CHARS = 200
_NAME_CHARS, _ATTRIBUTE_CHARS, _UNTITLED_CHARS = 40, 100, 300


def profile_format(config: ProfileConfig) -> AnswerFormat:
    """Return the fields of a profile (paper, section 3.1: summarization and reasoning)."""
    return AnswerFormat({"summarization": config.summary_chars, "reasoning": config.reasoning_chars})


PROFILE_COLUMNS = {"summarization": "summary", "reasoning": "reasoning"}


def item_facts(item: Mapping[str, Any], text_chars: int, texts: BoundedTexts | None = None) -> dict[str, str]:
    """Return what a prompt may say of an item: cleaned, length-bounded, no ids; ``texts`` notes what that changed.

    An attribute that is called "title" or "text" stands in for a missing one, and replaces none.
    """
    take = (texts or BoundedTexts()).take
    named = {take(name, _NAME_CHARS): take(value, _ATTRIBUTE_CHARS) for name, value in item["attributes"] or []}
    title = take(item["title"], TITLE_CHARS) or named.get("title", "")
    text = take(item["text"], text_chars) or named.get("text", "")
    facts = {"title": title} | named | {"title": title, "text": text}
    return {name: value for name, value in facts.items() if value}


def described_item(item: Mapping[str, Any], profile: Mapping[str, Any] | None) -> str:
    """Tell an item from others: title and attributes; untitled, its text too, else its profile, else its id."""
    facts = item_facts(item, 0 if item["title"] else _UNTITLED_CHARS)
    return " ".join(facts.values()) or clean((profile or {}).get("summary") or "") or str(item["item_id"])


def item_prompts(
    items: Sequence[Mapping[str, Any]], reviews: Mapping[int, Sequence[str]], config: ProfileConfig
) -> list[RowPrompt]:
    """Return one prompt an item: its facts, and what training users wrote of it."""

    def prompt(item: Mapping[str, Any]) -> RowPrompt:
        texts = BoundedTexts()
        facts = item_facts(item, config.item_text_chars, texts)
        said = [text for review in reviews.get(item["item"], ()) if (text := texts.take(review, config.review_chars))]
        return RowPrompt((item["item"],), {**facts, **({"reviews": said} if said else {})}, texts.cut, texts.defused)

    return [prompt(item) for item in items]


def item_profile_task(config: Config, workspace: Workspace) -> LLMTask:
    """Return what the stage asks of items."""
    profiles = config.profiles

    def prompts(bucket: int) -> list[RowPrompt]:
        items = workspace.table("items").read_file(bucket).to_pylist()
        most = profiles.item_reviews if profiles.review_chars else 0
        return item_prompts(items, item_reviews(workspace, items[0]["item"], items[-1]["item"], most), profiles)

    return LLMTask(
        table="item_profiles",
        keys=("item",),
        buckets=len(workspace.table("items").paths()),
        prompts=prompts,
        expected=profile_format(profiles),
        columns=PROFILE_COLUMNS,
        max_tokens=profiles.item_max_tokens,
        prompt=load_prompt(profiles.item_prompt),
        simple=load_prompt(profiles.item_simple_prompt),
        limit="profiles.item_max_tokens",
    )


def write_item_profiles(run: StageRun) -> Outcome:
    """Stage: items, reviews -> item_profiles."""
    return run_llm(run, item_profile_task(run.config, run.workspace))
