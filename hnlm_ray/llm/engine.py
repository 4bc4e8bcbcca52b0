"""The interface of text engines, and the loop that turns a request into one recorded outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hnlm_ray.llm.answers import AnswerFormat, Parsed, parse_answer

_RETRIED = {"truncated", "invalid", "refused", "engine_error"}


@dataclass(frozen=True)
class Request:
    """One prompt. ``id`` is unique in its stage: retries draw a new answer for the same id."""

    id: str
    messages: list[dict[str, str]]
    max_tokens: int


@dataclass(frozen=True)
class Generated:
    """What an engine gave: ``error`` and its status are set when it gave no text."""

    text: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    finished: bool = True
    status: str | None = None
    error: str | None = None


class TextEngine(Protocol):
    """Writes text for one request at a time; many requests are in flight together."""

    async def generate(self, request: Request, expected: AnswerFormat, attempt: int) -> Generated:
        """Answer a request; failures come back as a status, they are not raised."""

    def shutdown(self) -> None:
        """Release processes and memory."""


@dataclass(frozen=True)
class Outcome:
    """The one outcome of a row: its parsed answer, attempts, and the tokens of all attempts."""

    parsed: Parsed
    attempts: int
    tokens_in: int
    tokens_out: int


async def answer(engine: TextEngine, request: Request, expected: AnswerFormat, max_attempts: int) -> Outcome:
    """Ask until the answer is usable, at most ``max_attempts`` times."""
    tokens_in = tokens_out = 0
    attempt = 0
    while True:
        attempt += 1
        generated = await engine.generate(request, expected, attempt)
        tokens_in += generated.tokens_in
        tokens_out += generated.tokens_out
        if generated.status is not None:
            parsed = Parsed(generated.status, error=generated.error)
        else:
            parsed = parse_answer(generated.text, expected, finished=generated.finished)
        if parsed.status not in _RETRIED or attempt >= max_attempts:
            return Outcome(parsed, attempt, tokens_in, tokens_out)
