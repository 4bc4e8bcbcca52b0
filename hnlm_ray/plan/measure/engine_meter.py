"""The real engine answers a sample of rows in an actor of its own, as the engines of a stage would.

Starts the engine that is measured, hands it samples and shows how far it is: the driver's side.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import Progress
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


_POLL_S: Final = 1.0


@dataclass(frozen=True)
class OpenMeter:
    """A started engine, and how long its start took in seconds."""

    actor: Any
    start_s: float

    def close(self) -> None:
        """End the engine, for the memory and the processors of what is measured next."""
        import ray

        ray.get(self.actor.close.remote())
        ray.kill(self.actor)

    def ask(self, task: LLMTask, rows: Sequence[RowPrompt], progress: Progress) -> Asked:
        """Have the sample of a stage answered, and show how far it is."""
        import ray

        progress.start(f"sample of {task.table}", len(rows))
        asked, shown = self.actor.ask.remote(task, rows), 0
        try:
            while not ray.wait([asked], timeout=_POLL_S)[0]:
                done = ray.get(self.actor.done.remote())
                progress.advance(done - shown)
                shown = done
            result: Asked = ray.get(asked)
        except ray.exceptions.RayActorError as error:
            raise StageError(died_sentence(task, "its process is gone")) from error
        progress.advance(len(rows) - shown)
        progress.finish()
        return result


def open_meter(config: Config, progress: Progress) -> OpenMeter:
    """Start the engine in a Ray actor with the resources and the environment of a stage's."""
    import ray

    llm = config.llm
    progress.start("engine start", 1, unit="engines")
    started = time.monotonic()
    actor = (
        ray.remote(EngineMeter)
        .options(
            num_cpus=llm.cpus_per_engine,
            num_gpus=llm.gpus_per_engine,
            runtime_env={"env_vars": dict(engine_kind(llm).environment(llm))},
        )
        .remote(config)
    )
    try:
        ray.get(actor.ready.remote(), timeout=llm.start_timeout_s)
    except ray.exceptions.GetTimeoutError:
        raise StageError(
            f"the LLM engine did not start in {llm.start_timeout_s:.0f} s: see the log, or raise llm.start_timeout_s"
        ) from None
    progress.advance()
    progress.finish()
    return OpenMeter(actor, time.monotonic() - started)
