"""A deterministic engine for tests and dry runs; it can fail on purpose."""

from __future__ import annotations

import asyncio
import hashlib
import json

from hnlm_ray.config import ScriptedConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.engine import Generated, Request

_WORDS = (
    "quiet", "bright", "hidden", "last", "golden", "broken", "silent", "wild", "river", "city", "night", "garden",
    "story", "dream", "winter", "journey", "mystery", "family", "laughter", "danger", "love", "war", "music", "island",
)  # fmt: skip


class ScriptedEngine:
    """Answers from the hash of the request's id, prompt and attempt: the same everywhere, always."""

    def __init__(self, config: ScriptedConfig) -> None:
        self._config = config

    async def generate(self, request: Request, expected: AnswerFormat, attempt: int) -> Generated:
        """See :class:`~hnlm_ray.llm.engine.TextEngine`."""
        await asyncio.sleep(self._config.seconds_per_row)
        prompt = json.dumps(request.messages)
        digest = hashlib.sha256(f"{request.id}|{attempt}|{prompt}".encode()).digest()
        draw = int.from_bytes(digest[:4], "big") / 2**32
        if draw < self._config.engine_error:
            return Generated(status="engine_error", error="scripted failure")
        draw -= self._config.engine_error
        text = self._text(expected, digest, draw)
        return Generated(text, tokens_in=len(prompt.split()), tokens_out=len(text.split()))

    def _text(self, expected: AnswerFormat, digest: bytes, draw: float) -> str:
        if 0 <= draw < self._config.bad_json:
            return '{"broken": '
        words = [_WORDS[byte % len(_WORDS)] for byte in digest[4:]]
        fields = {
            name: " ".join(words[n * 6 : n * 6 + 6])[:length]
            for n, (name, length) in enumerate(expected.fields.items())
        }
        if 0 <= draw - self._config.bad_json < self._config.none:
            fields[expected.deciding] = "None"
        return json.dumps(fields)

    def shutdown(self) -> None:
        """Nothing to release."""
