"""What a stage asks row by row, and what a Ray task or actor needs to know to do a part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.models import model_identity
from hnlm_ray.workspace import TableStore, Workspace

Key = tuple[int, ...]


@dataclass(frozen=True)
class RowPrompt:
    """What to ask for one row of the output table: chat messages, or what else its worker takes, as JSON."""

    key: Key
    content: Any


@dataclass(frozen=True)
class RowTask:
    """What a stage asks row by row: ``prompts(bucket)`` runs in a Ray task and reads the tables it needs."""

    table: str
    keys: tuple[str, ...]
    buckets: int
    prompts: Callable[[int], list[RowPrompt]]


@dataclass(frozen=True)
class LLMTask(RowTask):
    """What an LLM stage asks: a prompt a row, an answer of known fields."""

    expected: AnswerFormat
    columns: Mapping[str, str]
    """Answer field -> column of the table."""
    max_tokens: int
    prompt_version: str


@dataclass(frozen=True)
class RowJob:
    """All that a Ray task or actor needs to know, shipped once."""

    task: RowTask
    config: Config
    workspace: Workspace
    chunks: str
    final: str

    @property
    def llm(self) -> LLMConfig:
        """Engines and their limits."""
        return self.config.llm

    @property
    def store(self) -> TableStore:
        """The output table."""
        return self.workspace.table(self.task.table)


def llm_identity(llm: LLMConfig) -> str:
    """Return what tells one text-writing model from another."""
    return "scripted" if llm.engine == "scripted" else model_identity(llm.model)
