"""A deterministic engine for tests and dry runs; it can fail on purpose."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal

from hnlm_ray.config import ScriptedConfig
from hnlm_ray.llm.engines.base import EngineDied, EngineKind, Generated, Request, settings_of

_WORDS = (
    "quiet", "bright", "hidden", "last", "golden", "broken", "silent", "wild", "river", "city", "night", "garden",
    "story", "dream", "winter", "journey", "mystery", "family", "laughter", "danger", "love", "war", "music", "island",
)  # fmt: skip


_ENDLESS_TOKENS = 100_000


class ScriptedEngine:
    """Answers from the hash of the request's id, prompt and attempt: the same everywhere, always."""

    def __init__(self, config: ScriptedConfig) -> None:
        self._config = config

    async def generate(self, request: Request) -> Generated:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`."""
        await asyncio.sleep(self._config.seconds_per_row)
        prompt = json.dumps(request.messages)
        tokens_in = _words(request)
        poison = poison_of(self._config, request.id)
        if poison is not None:
            return await self._poisoned(poison, tokens_in)
        digest = hashlib.sha256(f"{request.id}|{request.attempt}|{prompt}".encode()).digest()
        draw = int.from_bytes(digest[:4], "big") / 2**32
        if draw < self._config.engine_error:
            return Generated(status="engine_error", error="scripted failure")
        text = self._text(request, digest, draw - self._config.engine_error)
        return Generated(text, tokens_in, tokens_out=len(text.split()))

    async def _poisoned(self, poison: str, tokens_in: int) -> Generated:
        if poison == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if poison == "crash":
            raise EngineDied("scripted death")
        if poison == "hang":
            await asyncio.Event().wait()
        if poison == "endless":
            return Generated("word " * _ENDLESS_TOKENS, tokens_in, _ENDLESS_TOKENS, finished=False)
        text = {"invalid": '{"broken": ', "refusal": "I'm sorry, but I can't help with that."}.get(poison, "")
        return Generated(text, tokens_in, len(text.split()))

    def _text(self, request: Request, digest: bytes, draw: float) -> str:
        if 0 <= draw < self._config.bad_json:
            return '{"broken": '
        words = [_WORDS[byte % len(_WORDS)] for byte in digest[4:]]
        none = 0 <= draw - self._config.bad_json < self._config.none
        return json.dumps(request.expected.made_of(words, none=none))

    async def restart(self) -> None:
        """Nothing to replace."""

    def shutdown(self) -> None:
        """Nothing to release."""


def poison_of(config: ScriptedConfig, request_id: str) -> str | None:
    """Return the kind of poison that a row is, at every attempt; None for a row that is not."""
    draw = int.from_bytes(hashlib.sha256(f"poison|{request_id}".encode()).digest()[:4], "big") / 2**32
    for name, share in config.poison.model_dump().items():
        if draw < share:
            return str(name)
        draw -= share
    return None


def _words(request: Request) -> int:
    return len(json.dumps(request.messages).split())


_CONTENT = ("engine", "dtype", "max_model_len", "temperature", "top_p", "max_attempts", "engine_kwargs", "scripted")
SCRIPTED_KIND = EngineKind(
    identity=lambda _llm: "scripted",
    content=lambda llm: settings_of(llm, *_CONTENT),
    check=lambda _llm: None,
    checkpoint=lambda _llm: None,
    server=lambda _llm: None,
    environment=lambda _llm: {},
    at_once=lambda llm: llm.max_num_seqs,
    slots=lambda _llm: None,
    prompt_tokens=lambda _llm: _words,
    open=lambda llm, _seed: ScriptedEngine(llm.scripted),
    bounds_its_waits=False,
    has_a_model=False,
    may_bill=False,
)
