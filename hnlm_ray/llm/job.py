"""What an LLM stage asks, and what a Ray task or actor needs to know to do a part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.models import model_identity
from hnlm_ray.workspace import TableStore

Key = tuple[int, ...]


@dataclass(frozen=True)
class RowPrompt:
    """What to ask for one row of the output table."""

    key: Key
    messages: list[dict[str, str]]


@dataclass(frozen=True)
class LLMTask:
    """What an LLM stage asks: ``prompts(bucket)`` runs in a Ray task and reads the tables it needs."""

    table: str
    keys: tuple[str, ...]
    expected: AnswerFormat
    columns: Mapping[str, str]
    """Answer field -> column of the table."""
    max_tokens: int
    prompt_version: str
    buckets: int
    prompts: Callable[[int], list[RowPrompt]]


@dataclass(frozen=True)
class LLMJob:
    """All that a Ray task or actor needs to know, shipped once."""

    task: LLMTask
    llm: LLMConfig
    store: TableStore
    chunks: str
    final: str
    seed: int


def llm_identity(llm: LLMConfig) -> str:
    """Return what tells one text-writing model from another."""
    return "scripted" if llm.engine == "scripted" else model_identity(llm.model)
