"""What an engine is: one request, one answer or the reason why there is none; and what the rest must know of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hnlm_ray.config import LLMConfig
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.objects import THINKING_OFF

CHARS_PER_TOKEN: Final = 4
"""Estimated of a tokenizer that is not here."""


@dataclass(frozen=True)
class Request:
    """One prompt. ``id`` is unique in its stage; another ``attempt`` at the same id draws another answer.

    ``limit``: the setting that ``max_tokens`` comes from.
    """

    id: str
    messages: list[dict[str, str]]
    max_tokens: int
    expected: AnswerFormat
    attempt: int = 1
    limit: str = "max_tokens"


@dataclass(frozen=True)
class Generated:
    """What an engine gave: ``error`` and its status are set when it gave no text that can be an answer."""

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


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """All that stages, plans and commands ask about the engine that ``llm.engine`` names; nothing has a default.

    It stands beside its engine and imports what is heavy within its functions: ``hnlm status`` asks it too.

    Attributes
    ----------
    identity
        What tells its model from another, in rows and fingerprints; without a machine's paths.
    content
        The settings that shape its answers, for fingerprints (:func:`settings_of`).
    check
        Raises an InputError where its model can't be found, before a stage starts; loads nothing.
    checkpoint
        The setting that names the weights which it loads on this machine; None: it loads none.
    server
        The server that it asks, whose limits decide how long a stage takes; None: its own pace does.
    environment
        Variables that its process needs from its start.
    at_once
        Requests that it should have with it at a time, so that it never waits for one.
    slots
        How many of them it works on together; None: all that it has.
    prompt_tokens
        Makes what counts the tokens of a request's prompt.
    open
        Starts it, from the configuration and the run's seed; an InputError or StageError says what hinders it.
    bounds_its_waits
        An answer comes or fails by its own limits; ``llm.row_timeout_s`` is not for it.
    has_a_model
        A model answers. False: answers are made up for dry runs; plans learn nothing from their lengths and pace.
    may_bill
        An answer may cost money: a plan has a sample answered only where it is told to measure.
    """

    identity: Callable[[LLMConfig], str]
    content: Callable[[LLMConfig], dict[str, Any]]
    check: Callable[[LLMConfig], None]
    checkpoint: Callable[[LLMConfig], str | None]
    server: Callable[[LLMConfig], HttpConfig | None]
    environment: Callable[[LLMConfig], Mapping[str, str]]
    at_once: Callable[[LLMConfig], int]
    slots: Callable[[LLMConfig], int | None]
    prompt_tokens: Callable[[LLMConfig], Callable[[Request], int]]
    open: Callable[[LLMConfig, int], TextEngine]
    bounds_its_waits: bool
    has_a_model: bool
    may_bill: bool

    def row_timeout_s(self, llm: LLMConfig) -> float | None:
        """Return the longest wait for the answer of one draw; None: the engine bounds its waits itself."""
        return None if self.bounds_its_waits else llm.row_timeout_s


def settings_of(llm: LLMConfig, *names: str) -> dict[str, Any]:
    """Return some settings of ``llm`` as JSON, for fingerprints."""
    values = llm.model_dump(mode="json")
    return {name: values[name] for name in names}


def out_of_tokens(request: Request, *, thought: bool) -> str:
    """Say that an answer reached its limit and, where the model ``thought``, which settings are to be changed."""
    limit = f"({request.limit} {request.max_tokens})"
    if not thought:
        return f"the answer reached its token limit {limit}"
    raised = "raise it (its field: llm.http.limit_field)"
    return f"the token limit {limit} went to the model's thoughts: {raised}, or set {THINKING_OFF}"


def estimated_tokens(request: Request) -> int:
    """Estimate the tokens of a prompt, four characters each."""
    return -(-sum(len(message["content"]) for message in request.messages) // CHARS_PER_TOKEN)


def request_seed(seed: int, request: str, attempt: int) -> int:
    """Return the seed of one draw, below 2^31."""
    return zlib.crc32(f"{seed}|{request}|{attempt}".encode()) & 0x7FFFFFFF
