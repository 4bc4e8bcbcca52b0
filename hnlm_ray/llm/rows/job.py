"""What a stage asks row by row, and what a Ray task or actor needs to know to do a part of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

import pyarrow as pa

from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.engines.base import Request
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.prompts import Prompt, simpler
from hnlm_ray.workspace import ChunkedTable, TableStore, Workspace
from hnlm_ray.workspace.stage import Retry

Key = tuple[int, ...]


@dataclass(frozen=True)
class Spent:
    """Attempts and tokens that a row took before."""

    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


NOTHING = Spent()


@dataclass(frozen=True)
class RowPrompt:
    """What to ask for one row of the output table: a prompt's data, or what else its worker takes, as JSON.

    ``cut``: characters of the data that were left out to keep its limits; ``defused``: it held control characters
    or a chat's control tokens, which were taken out; ``before``: what earlier outcomes of it took; ``beside``: columns
    of the row that are known before it is asked, as JSON.
    """

    key: Key
    content: Any
    cut: int = 0
    defused: bool = False
    before: Spent = NOTHING
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RowTask:
    """What a stage asks row by row: ``prompts(bucket)`` runs in a Ray task and reads the tables it needs."""

    table: str
    keys: tuple[str, ...]
    buckets: int
    prompts: Callable[[int], list[RowPrompt]]


@dataclass(frozen=True)
class LLMTask(RowTask):
    """What an LLM stage asks: a prompt a row, an answer of known fields; ``simple`` is the prompt of the last try.

    ``limit``: the setting that ``max_tokens`` comes from, for errors.
    """

    expected: AnswerFormat
    columns: Mapping[str, str]
    """Answer field -> column of the table."""
    max_tokens: int
    prompt: Prompt
    simple: Prompt
    limit: str = "max_tokens"

    def prompt_of(self, *, simple: bool) -> Prompt:
        """Return the prompt, or the simpler one."""
        return self.simple if simple else self.prompt

    def request(self, key: Key, data: Mapping[str, Any], attempt: int, *, simple: bool = False) -> Request:
        """Return one attempt at a row; the simpler prompt has less data and asks for the deciding field alone."""
        asked = cast("Mapping[str, Any]", simpler(data)) if simple else data
        expected = (self.expected.deciding_alone() if simple else self.expected).of(asked)
        messages = self.prompt_of(simple=simple).messages(asked)
        return Request("-".join(map(str, key)), messages, self.max_tokens, expected, attempt, self.limit)


Task_co = TypeVar("Task_co", bound=RowTask, covariant=True)


@dataclass(frozen=True)
class RowJob(Generic[Task_co]):
    """All that a Ray task or actor needs to know, shipped once."""

    task: Task_co
    config: Config
    workspace: Workspace
    table: ChunkedTable
    ledger: Any = None
    """Keeps the budget (:mod:`hnlm_ray.llm.rows.budget`); none: there is none."""
    retry: Retry | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the actors' processes need from their start."""
    first_rows: int = 0
    """So many rows decide for each engine whether the others are asked (:mod:`hnlm_ray.llm.rows.failures`); 0: none."""

    @property
    def llm(self) -> LLMConfig:
        """Engines and their limits."""
        return self.config.llm

    @property
    def store(self) -> TableStore:
        """The output table."""
        return self.table.store


class RowWorker(Protocol):
    """A Ray Data actor that does chunks of rows; its class is called with the :class:`RowJob` where it is to live."""

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table] | AsyncIterator[pa.Table]:
        """Do the chunks of :func:`hnlm_ray.llm.rows.buckets.bucket_chunks`: write each, and yield its report for Ray.

        A report is what :meth:`hnlm_ray.llm.rows.attempts.ChunkReport.to_arrow` makes.
        """
        ...


def llm_identity(llm: LLMConfig) -> str:
    """Return what tells one text-writing model from another."""
    return engine_kind(llm).identity(llm)
