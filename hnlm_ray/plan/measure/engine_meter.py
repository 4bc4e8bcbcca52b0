"""The real engine answers a sample of rows in an actor of its own, as the engines of a stage would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hnlm_ray.base.errors import StageError
from hnlm_ray.config import Config, LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.engines.base import EngineDied, Generated, Request, TextEngine
from hnlm_ray.llm.rows.attempts import Asking, Outcome
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.plan.measure.sampling import Text
from hnlm_ray.plan.measure.step_cost import Call


@dataclass(frozen=True)
class AskedRow:
    """What one sampled row took, all attempts together, and the text that came of it."""

    key: int
    attempts: int
    tokens_in: int
    tokens_out: int
    text: Text


@dataclass(frozen=True)
class Asked:
    """The sampled rows of a stage, and each request as the engine answered it."""

    rows: tuple[AskedRow, ...]
    calls: tuple[Call, ...]


def slots(llm: LLMConfig) -> int:
    """Return how many requests an engine answers at the same time."""
    slots = engine_kind(llm).slots(llm)
    rows_in_flight = max(4 * llm.batch_rows, 2 * llm.max_num_seqs)
    return rows_in_flight if slots is None else slots


@dataclass
class TimedEngine:
    """Notes when each request was answered; none waits in the engine, so the times are those of the answering."""

    engine: TextEngine
    free: asyncio.Semaphore
    calls: list[Call] = field(default_factory=list)

    async def generate(self, request: Request) -> Generated:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        async with self.free:
            started = time.monotonic()
            generated = await self.engine.generate(request)
            if generated.status is None:
                self.calls.append(Call(started, time.monotonic(), generated.tokens_in, generated.tokens_out))
        return generated

    async def restart(self) -> None:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        await self.engine.restart()

    def shutdown(self) -> None:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        self.engine.shutdown()


class EngineMeter:
    """A Ray actor: opens the engine, and answers the sample of one stage after the other."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engine = engine_kind(config.llm).open(config.llm, config.seed)
        self._done = 0

    async def ready(self) -> bool:
        """Tell that the engine has started."""
        return True

    async def done(self) -> int:
        """Return how many rows of the sample are answered."""
        return self._done

    async def ask(self, task: LLMTask, rows: Sequence[RowPrompt]) -> Asked:
        """Answer the sample of a stage.

        Raises
        ------
        StageError
            When the engine dies of it.
        """
        self._done = 0
        try:
            return await self._ask(task, rows)
        except EngineDied as error:
            raise StageError(died_sentence(task, str(error))) from error

    async def _ask(self, task: LLMTask, rows: Sequence[RowPrompt]) -> Asked:
        llm = self._config.llm
        timed = TimedEngine(self._engine, asyncio.Semaphore(slots(llm)))
        timeout_s = engine_kind(llm).row_timeout_s(llm)
        asking = Asking(timed, task, llm.max_attempts, timeout_s, repair=llm.repair_json)
        column = next(iter(task.columns))
        found = await asyncio.gather(*(self._row(asking, row) for row in rows))
        answered = [_asked_row(row, outcome, column, task) for row, outcome in zip(rows, found, strict=True)]
        return Asked(tuple(answered), tuple(timed.calls))

    async def _row(self, asking: Asking, row: RowPrompt) -> Outcome:
        outcome = await asking.outcome(row.key, row.content)
        if outcome is None:
            raise StageError("a measurement has no budget")
        self._done += 1
        return outcome

    async def close(self) -> None:
        """End the engine's processes."""
        self._engine.shutdown()


def died_sentence(task: LLMTask, how: str) -> str:
    """Say that the engine died, and what to do."""
    told = f"the engine died while it answered a sample of {task.table} ({how})"
    return f"{told}: see the log, or plan without measuring (--no-measure)"


def _asked_row(row: RowPrompt, outcome: Outcome, column: str, task: LLMTask) -> AskedRow:
    found = outcome.parsed.fields.get(column)
    text = None if found is None else task.expected.text_of(found)
    return AskedRow(row.key[0], outcome.attempts, outcome.tokens_in, outcome.tokens_out, text)
