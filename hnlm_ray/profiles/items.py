"""Item profiles: the LLM reads an item's title, attributes and text, and what training users wrote of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnlm_ray.config import ProfileConfig
from hnlm_ray.llm.answers import AnswerFormat, clean
from hnlm_ray.llm.batch import run_llm
from hnlm_ray.llm.job import LLMTask, RowPrompt
from hnlm_ray.llm.prompts import Prompt, load_prompt
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.training_data import item_reviews

_TITLE_CHARS, _ATTRIBUTE_CHARS, _UNTITLED_CHARS = 200, 100, 300


def profile_format(config: ProfileConfig) -> AnswerFormat:
    """Return the fields of a profile (paper, section 3.1: summarization and reasoning)."""
    return AnswerFormat({"summarization": config.summary_chars, "reasoning": config.reasoning_chars})


PROFILE_COLUMNS = {"summarization": "summary", "reasoning": "reasoning"}


def item_facts(item: Mapping[str, Any], text_chars: int) -> dict[str, str]:
    """Return what a prompt may say of an item: cleaned, length-bounded, no ids."""
    facts = {"title": clean(item["title"] or "")[:_TITLE_CHARS]}
    facts |= {clean(name)[:40]: clean(value or "")[:_ATTRIBUTE_CHARS] for name, value in item["attributes"] or []}
    facts["text"] = clean((item["text"] or "")[: 4 * text_chars])[:text_chars].strip()
    return {name: value for name, value in facts.items() if value}


def described_item(item: Mapping[str, Any], profile: Mapping[str, Any] | None) -> str:
    """Tell an item from others: title and attributes; untitled, its text too, else its profile, else its id."""
    facts = item_facts(item, 0 if item["title"] else _UNTITLED_CHARS)
    return " ".join(facts.values()) or clean((profile or {}).get("summary") or "") or str(item["item_id"])


def item_prompts(
    items: Sequence[Mapping[str, Any]], reviews: Mapping[int, Sequence[str]], prompt: Prompt, config: ProfileConfig
) -> list[RowPrompt]:
    """Return one prompt an item: its facts, and what training users wrote of it."""

    def data(item: Mapping[str, Any]) -> dict[str, object]:
        said = [text for review in reviews.get(item["item"], ()) if (text := clean(review)[: config.review_chars])]
        return {**item_facts(item, config.item_text_chars), **({"reviews": said} if said else {})}

    return [RowPrompt((item["item"],), prompt.messages(data(item))) for item in items]


def write_item_profiles(run: StageRun) -> Outcome:
    """Stage: items, reviews -> item_profiles."""
    config, workspace = run.config.profiles, run.workspace
    prompt = load_prompt(config.item_prompt)

    def prompts(bucket: int) -> list[RowPrompt]:
        items = workspace.table("items").read_file(bucket).to_pylist()
        most = config.item_reviews if config.review_chars else 0
        return item_prompts(items, item_reviews(workspace, items[0]["item"], items[-1]["item"], most), prompt, config)

    task = LLMTask(
        table="item_profiles",
        keys=("item",),
        expected=profile_format(config),
        columns=PROFILE_COLUMNS,
        max_tokens=config.item_max_tokens,
        prompt_version=prompt.version,
        buckets=len(workspace.table("items").paths()),
        prompts=prompts,
    )
    return run_llm(run, task)
