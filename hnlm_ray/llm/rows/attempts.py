"""From a row to its one outcome: attempts with new seeds, a simpler prompt at last, a limit to every wait.

Outcomes of rows as rows of a stage's table.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import HnlmError, error_of, kind_of
from hnlm_ray.llm.engines.base import EngineDied, Generated, Request, TextEngine, out_of_tokens
from hnlm_ray.llm.rows.failures import FirstRows
from hnlm_ray.llm.rows.job import NOTHING, Key, LLMTask, RowJob, RowPrompt, Spent, llm_identity
from hnlm_ray.llm.rows.journal import LONE_DEATHS
from hnlm_ray.llm.text.answers import Parsed, parse_answer
from hnlm_ray.llm.text.objects import thinks

_FINAL = {"ok", "none"}
_SIMPLER_AT_ONCE = {"too_long"}
HUNG = "hung"


class Purse(Protocol):
    """What may be spent."""

    async def reserve(self, request: Request) -> bool:
        """Set aside what a request may cost at most; False: the budget does not allow it."""

    async def settle(self, request: Request, generated: Generated) -> None:
        """Count what it did cost."""


@dataclass(frozen=True)
class Outcome:
    """The one outcome of a row: its parsed answer, attempts, the tokens of all attempts, whose prompt gave it."""

    parsed: Parsed
    attempts: int
    tokens_in: int
    tokens_out: int
    prompt_version: str


@dataclass
class Asking:
    """Asks an engine for rows of a task.

    ``repair``: answers that are almost JSON are mended.
    ``first``: the rows by which it is judged whether the others are asked.
    ``timeout_s`` bounds each attempt; none: the engine itself bounds its waits. Where nothing at all was answered
    meanwhile, the engine hangs, not the row; but for a row that hung before, while others were answered.
    """

    engine: TextEngine
    task: LLMTask
    max_attempts: int
    timeout_s: float | None
    purse: Purse | None = None
    repair: bool = False
    first: FirstRows = field(default_factory=FirstRows)
    _answered: float = field(default_factory=time.monotonic)

    async def outcome(self, key: Key, data: Mapping[str, Any], before: Spent = NOTHING) -> Outcome | None:
        """Ask until the answer is usable, at most ``max_attempts`` times; None: the budget does not allow it.

        Attempts go on counting after those ``before``, so their seeds are new, and the outcome holds what all took.
        The last of several attempts is the simpler prompt; so is the next after one that was too long or hung.

        Raises
        ------
        EngineDied
            When the engine is to be started again: the row has no outcome yet.
        StageError
            When the first rows all failed, and this one is not asked.
        """
        await self.first.enter()
        outcome, answers = None, list[str]()
        try:
            outcome = await self._outcome(key, data, before, answers)
        finally:
            await self.first.leave(None if outcome is None else outcome.parsed, next(filter(None, answers), ""))
        return outcome

    async def _outcome(self, key: Key, data: Mapping[str, Any], before: Spent, answers: list[str]) -> Outcome | None:
        """Do it; the texts that the engine gave are added to ``answers``."""
        tokens_in, tokens_out = before.tokens_in, before.tokens_out
        attempt, simple, hung = 0, False, False
        while True:
            attempt += 1
            simple = simple or attempt == self.max_attempts > 1
            request = self.task.request(key, data, before.attempts + attempt, simple=simple)
            if self.purse is not None and not await self.purse.reserve(request):
                return None
            generated = await self._paid(request, hung=hung)
            tokens_in, tokens_out = tokens_in + generated.tokens_in, tokens_out + generated.tokens_out
            answers.append(generated.text)
            parsed = self._parsed(generated, request)
            last = attempt >= self.max_attempts or (simple and _is_hopeless(generated))
            if parsed.status in _FINAL or last:
                version = self.task.prompt_of(simple=simple).version
                return Outcome(parsed, before.attempts + attempt, tokens_in, tokens_out, version)
            simple, hung = simple or _is_hopeless(generated), hung or generated.status == HUNG

    async def _paid(self, request: Request, *, hung: bool) -> Generated:
        generated = Generated()
        try:
            generated = await self._generate(request, hung=hung)
        finally:
            if self.purse is not None:
                await self.purse.settle(request, generated)
        return generated

    async def _generate(self, request: Request, *, hung: bool) -> Generated:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                generated = await self.engine.generate(request)
        except TimeoutError:
            if self._answered < started and not hung:
                raise EngineDied(f"it answered nothing in {self.timeout_s:g} s") from None
            return Generated(status=HUNG, error=f"no answer in {self.timeout_s:g} s (llm.row_timeout_s)")
        self._answered = time.monotonic()
        return generated

    def _parsed(self, generated: Generated, request: Request) -> Parsed:
        if generated.status is None and not generated.finished:
            return Parsed("truncated", error=out_of_tokens(request, thought=thinks(generated.text)))
        if generated.status is None:
            return parse_answer(generated.text, request.expected, finished=True, repair=self.repair)
        status = "engine_error" if generated.status == HUNG else generated.status
        return Parsed(status, error=generated.error)


def _is_hopeless(generated: Generated) -> bool:
    """Tell whether the same prompt would fail again."""
    return generated.status == HUNG or generated.status in _SIMPLER_AT_ONCE


def poisonous(task: LLMTask, before: Spent) -> Outcome:
    """Return the outcome of a row that engines died of."""
    return failed(task, "the engine died whenever it was asked for this row alone", before, LONE_DEATHS)


def failed(task: LLMTask, error: str, before: Spent, attempts: int = 1) -> Outcome:
    """Return the outcome of a row that could not be asked; ``before``: what earlier outcomes of it took."""
    spent = before.attempts + attempts, before.tokens_in, before.tokens_out
    return Outcome(Parsed("engine_error", error=error), *spent, task.prompt.version)


def outcome_table(job: RowJob[LLMTask], rows: Sequence[RowPrompt], outcomes: Sequence[Outcome]) -> pa.Table:
    """Arrange rows and their outcomes as rows of the output table; fields of a failed row are null."""
    columns: dict[str, list[Any]] = {name: [row.key[n] for row in rows] for n, name in enumerate(job.task.keys)}
    for answer_field, column in job.task.columns.items():
        columns[column] = [outcome.parsed.fields.get(answer_field) for outcome in outcomes]
    columns["status"] = [outcome.parsed.status for outcome in outcomes]
    columns["error"] = [outcome.parsed.error for outcome in outcomes]
    for name in ("attempts", "tokens_in", "tokens_out", "prompt_version"):
        columns[name] = [getattr(outcome, name) for outcome in outcomes]
    columns["model"] = [llm_identity(job.llm)] * len(rows)
    columns["prompt_cut"] = [row.cut for row in rows]
    columns["prompt_defused"] = [row.defused for row in rows]
    columns |= {name: [row.beside[name] for row in rows] for name in job.store.schema.names if name not in columns}
    return pa.table({name: columns[name] for name in job.store.schema.names}, schema=job.store.schema)


@dataclass(frozen=True)
class ChunkReport:
    """What a worker tells the driver of rows that it wrote; through Ray Data it travels as one row.

    Attributes
    ----------
    rows, statuses
        Rows written, and how they ended.
    tokens
        What they took, without what earlier outcomes of them took.
    left, stop
        Rows that stay undone, and why the engine can answer nothing more.
    """

    rows: int
    tokens: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    stop: HnlmError | None = None

    @classmethod
    def of(
        cls, written: pa.Table, rows: Sequence[RowPrompt], left: int = 0, stop: HnlmError | None = None
    ) -> ChunkReport:
        """Count what was written; ``rows`` are those that were asked for it."""
        tokens = sum(pc.sum(written[name]).as_py() or 0 for name in ("tokens_in", "tokens_out"))
        before = sum(row.before.tokens_in + row.before.tokens_out for row in rows)
        return cls(written.num_rows, tokens - before, Counter(written["status"].to_pylist()), left, stop)

    def to_arrow(self) -> pa.Table:
        """Return it as a table of one row."""
        kind, told = (None, None) if self.stop is None else (kind_of(self.stop), str(self.stop))
        row = {"rows": self.rows, "tokens": self.tokens, "statuses": list(self.statuses.items()), "left": self.left}
        return pa.Table.from_pylist([{**row, "stop_kind": kind, "stop": told}], schema=_REPORT)

    @classmethod
    def from_arrow(cls, reports: pa.Table) -> Iterator[ChunkReport]:
        """Return the reports that are a table's rows."""
        for row in reports.to_pylist():
            kind, told = row.pop("stop_kind"), row.pop("stop")
            stop = None if kind is None else error_of(kind, told)
            yield cls(**{**row, "statuses": dict(row["statuses"])}, stop=stop)


_REPORT = pa.schema(
    {
        "rows": pa.int64(),
        "tokens": pa.int64(),
        "statuses": pa.map_(pa.string(), pa.int64()),
        "left": pa.int64(),
        "stop_kind": pa.string(),
        "stop": pa.string(),
    }
)
