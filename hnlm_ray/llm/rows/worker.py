"""The Ray Data actor around one engine.

With the lock that many pass together or one alone, and the watchdog that ends a process whose event loop has stopped: a
row that blocks it would otherwise block the stage for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import pyarrow as pa

from hnlm_ray.base.errors import HnlmError
from hnlm_ray.base.text import named
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.engines.base import EngineDied
from hnlm_ray.llm.rows.attempts import Asking, ChunkReport, Outcome, failed, outcome_table, poisonous
from hnlm_ray.llm.rows.buckets import chunk_rows
from hnlm_ray.llm.rows.budget import BudgetPurse
from hnlm_ray.llm.rows.failures import FirstRows, remedy_of
from hnlm_ray.llm.rows.job import Key, LLMTask, RowJob, RowPrompt
from hnlm_ray.llm.rows.journal import Journal, Piece, chunk_name


class SharedLock:
    """Rows are asked together; those under suspicion are asked with nobody else inside.

    Who wants to be alone goes before those that come later.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._waiting_alone = 0
        self._taken = False

    @asynccontextmanager
    async def pass_through(self, *, alone: bool) -> AsyncIterator[None]:
        """Be inside, with others or ``alone``."""
        await (self._enter_alone() if alone else self._enter())
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._taken = False
                self._changed.notify_all()

    async def _enter(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._taken and not self._waiting_alone)
            self._inside += 1

    async def _enter_alone(self) -> None:
        async with self._changed:
            self._waiting_alone += 1
            try:
                await self._changed.wait_for(lambda: not self._inside)
            finally:
                self._waiting_alone -= 1
                self._changed.notify_all()
            self._inside, self._taken = 1, True


log = logging.getLogger(__name__)
_LOOKS_PER_LIMIT = 10
EXIT_CODE = 70


def watch_loop(loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
    """End this process when ``loop`` does nothing for ``limit_s`` seconds; Ray starts the actor again."""
    threading.Thread(target=_watch, args=(loop, limit_s), daemon=True, name="loop-watchdog").start()


def _watch(loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
    seen = time.monotonic()

    def note() -> None:
        nonlocal seen
        seen = time.monotonic()

    while not loop.is_closed():
        loop.call_soon_threadsafe(note)
        time.sleep(limit_s / _LOOKS_PER_LIMIT)
        if time.monotonic() - seen > limit_s:
            log.error("nothing moved in this process for %g s: it is ended", limit_s)
            os._exit(EXIT_CODE)


class EngineWorker:
    """Answers chunks of rows and writes each as soon as it is whole.

    A chunk that died before, with its engine or with this process, is asked alone and cut up (see
    :mod:`hnlm_ray.llm.rows.journal`), so that one row can't take others along.
    """

    def __init__(self, job: RowJob[LLMTask]) -> None:
        self._job, self._task = job, job.task
        kind = engine_kind(job.llm)
        self._engine = kind.open(job.llm, job.config.seed)
        purse = None if job.ledger is None else BudgetPurse(job.ledger)
        attempts, timeout_s, repair = job.llm.max_attempts, kind.row_timeout_s(job.llm), job.llm.repair_json
        first = FirstRows(job.first_rows, partial(remedy_of, job=job))
        self._asking = Asking(self._engine, self._task, attempts, timeout_s, purse, repair, first)
        self._stop: HnlmError | None = None
        self._gate, self._restarting, self._incarnation = SharedLock(), asyncio.Lock(), 0
        self._watched = False

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        """Answer some chunks at the same time, write each, and report what became of their rows."""
        if not self._watched:
            self._watched = True
            watch_loop(asyncio.get_running_loop(), self._job.llm.row_timeout_s)
        chunks = batch.to_pylist()
        for reports in await asyncio.gather(*(self._written(one["bucket"], chunk_rows(one["rows"])) for one in chunks)):
            for report in reports:
                yield report.to_arrow()

    async def _written(self, bucket: int, rows: Sequence[RowPrompt]) -> list[ChunkReport]:
        return [report async for report in self._chunk(bucket, rows)]

    async def _chunk(self, bucket: int, rows: Sequence[RowPrompt]) -> AsyncIterator[ChunkReport]:
        journal = Journal(self._job.table, bucket)
        keys = [row.key for row in rows]
        known: dict[Key, Outcome | None] = {}
        while True:
            piece = await asyncio.to_thread(journal.next_piece, keys)
            if piece is None:
                return
            asked = rows[piece.rows.start : piece.rows.stop]
            if not await self._ask(journal, piece, asked, known):
                continue  # the engine died: the journal knows how to go on
            answered = [row for row in asked if known[row.key] is not None]
            table = outcome_table(self._job, answered, [cast("Outcome", known[row.key]) for row in answered])
            if answered:
                name = chunk_name(bucket, [row.key for row in answered])
                await asyncio.to_thread(self._job.table.write, name, table)
            await asyncio.to_thread(journal.end, piece)
            yield ChunkReport.of(table, answered, len(asked) - len(answered), self._stop)
            if len(answered) < len(asked) or len(asked) == len(rows):
                return  # the budget is spent, or the engine can answer nothing more, or all is written

    async def _ask(
        self, journal: Journal, piece: Piece, rows: Sequence[RowPrompt], known: dict[Key, Outcome | None]
    ) -> bool:
        """Fill ``known`` with the outcomes of rows; False: the engine died before all had one."""
        if piece.poison:
            known[rows[0].key] = poisonous(self._task, rows[0].before)
            return True
        async with self._gate.pass_through(alone=piece.alone):
            incarnation = self._incarnation
            await asyncio.to_thread(journal.begin, piece)
            todo = [row for row in rows if row.key not in known]
            results = await asyncio.gather(
                *(self._asking.outcome(row.key, row.content, row.before) for row in todo), return_exceptions=True
            )
        known |= {
            row.key: self._settled(row, result)
            for row, result in zip(todo, results, strict=True)
            if not isinstance(result, EngineDied)
        }
        death = next((result for result in results if isinstance(result, EngineDied)), None)
        if death is not None:
            await self._revive(incarnation, death, len(todo))
        return death is None

    def _settled(self, row: RowPrompt, result: Outcome | BaseException | None) -> Outcome | None:
        """Return an outcome; one row that breaks our own code is a recorded row as well.

        An error that is meant for the user concerns all rows: they stay to be done.
        """
        if isinstance(result, HnlmError):
            self._stop = result
            return None
        if isinstance(result, Exception):
            log.error("a row could not be asked: %s", named(result), exc_info=result)
            return failed(self._task, f"it could not be asked: {named(result)}"[:200], row.before)
        if isinstance(result, BaseException):
            raise result
        return result

    async def _revive(self, incarnation: int, death: EngineDied, rows: int) -> None:
        async with self._restarting:
            if self._incarnation == incarnation:
                log.warning("the engine died with %d rows of a chunk in flight: %s", rows, death)
                await self._engine.restart()
                self._incarnation += 1
