"""From a row to its one outcome: attempts with new seeds, a simpler prompt at last, a limit to every wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hnlm_ray.llm.engines.base import EngineDied, Generated, Request, TextEngine
from hnlm_ray.llm.rows.job import NOTHING, Key, LLMTask, Spent
from hnlm_ray.llm.text.answers import Parsed, parse_answer

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
    ``timeout_s`` bounds each attempt; none: the engine itself bounds its waits. Where nothing at all was answered
    meanwhile, the engine hangs, not the row; but for a row that hung before, while others were answered.
    """

    engine: TextEngine
    task: LLMTask
    max_attempts: int
    timeout_s: float | None
    purse: Purse | None = None
    repair: bool = False
    _answered: float = field(default_factory=time.monotonic)

    async def outcome(self, key: Key, data: Mapping[str, Any], before: Spent = NOTHING) -> Outcome | None:
        """Ask until the answer is usable, at most ``max_attempts`` times; None: the budget does not allow it.

        Attempts go on counting after those ``before``, so their seeds are new, and the outcome holds what all took.
        The last of several attempts is the simpler prompt; so is the next after one that was too long or hung.

        Raises
        ------
        EngineDied
            When the engine is to be started again: the row has no outcome yet.
        """
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
        if generated.status is None:
            expected, finished = request.expected, generated.finished
            return parse_answer(generated.text, expected, finished=finished, repair=self.repair)
        status = "engine_error" if generated.status == HUNG else generated.status
        return Parsed(status, error=generated.error)


def _is_hopeless(generated: Generated) -> bool:
    """Tell whether the same prompt would fail again."""
    return generated.status == HUNG or generated.status in _SIMPLER_AT_ONCE
