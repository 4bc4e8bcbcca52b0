"""The interface of text engines: one request, one answer or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hnlm_ray.llm.answers import AnswerFormat


@dataclass(frozen=True)
class Request:
    """One prompt. ``id`` is unique in its stage; another ``attempt`` at the same id draws another answer."""

    id: str
    messages: list[dict[str, str]]
    max_tokens: int
    expected: AnswerFormat
    attempt: int = 1


@dataclass(frozen=True)
class Generated:
    """What an engine gave: ``error`` and its status are set when it gave no text."""

    text: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    finished: bool = True
    status: str | None = None
    error: str | None = None


class EngineDied(Exception):  # noqa: N818  it says what happened
    """The engine is gone or hangs, and nobody knows yet which of its requests is to blame."""


class TextEngine(Protocol):
    """Writes text for one request at a time; many requests are in flight together."""

    async def generate(self, request: Request) -> Generated:
        """Answer a request; what is wrong with it alone comes back as a status.

        Raises
        ------
        EngineDied
            When the engine must be started again before it can answer anything.
        """

    async def restart(self) -> None:
        """Replace a dead engine."""

    def shutdown(self) -> None:
        """Release processes and memory."""
