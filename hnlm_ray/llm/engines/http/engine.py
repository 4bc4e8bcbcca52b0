"""An OpenAI-compatible server behind the engine interface."""

from __future__ import annotations

import logging

from hnlm_ray.config import LLMConfig
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.engines.base import Generated, Request, estimated_tokens, request_seed
from hnlm_ray.llm.engines.http.chat import chat_body, read_chat
from hnlm_ray.llm.engines.http.client import HttpClient
from hnlm_ray.llm.engines.http.rate_limits import Clock
from hnlm_ray.llm.engines.http.transport import Failure, Reply

log = logging.getLogger(__name__)
SETTING = "llm.http"


class HttpEngine:
    """Asks a server for each answer. A request that fails is a status; what no request can get past is raised.

    It bounds its own waits: nothing takes longer than its tries, of ``timeout_s`` each, and the waits between.
    """

    def __init__(self, llm: LLMConfig, server: HttpConfig, seed: int, clock: Clock | None = None) -> None:
        self._llm, self._server, self._seed = llm, server, seed
        self._client = HttpClient(server, SETTING, llm.engines, clock)

    async def generate(self, request: Request) -> Generated:
        """See :class:`~hnlm_ray.llm.engines.base.TextEngine`.

        Raises
        ------
        HnlmError
            When no request can succeed: the key is refused, nothing answers, ...
        """
        tokens = estimated_tokens(request) + request.max_tokens
        seed = request_seed(self._seed, request.id, request.attempt)
        reply = await self._client.post("/chat/completions", chat_body(request, self._llm, self._server, seed), tokens)
        if isinstance(reply, Failure):
            return Generated(status="engine_error", error=reply.told)
        generated = read_chat(reply, request, self._client.key)
        self._judge(reply, generated)
        self._client.pace.count(generated.tokens_in + generated.tokens_out - tokens)
        return generated

    def _judge(self, reply: Reply, generated: Generated) -> None:
        verdict = self._client.verdict
        if generated.status != "engine_error":
            verdict.useful()
        elif reply.status < 300:
            verdict.failed(generated.error or "")
        else:
            verdict.refused(generated.error or "")

    async def restart(self) -> None:
        """Do nothing: a broken connection is replaced by itself."""

    async def close(self) -> None:
        """Close the connections; within the loop that they were made in."""
        await self._client.close()

    def shutdown(self) -> None:
        """Do nothing: what is held are idle connections, which end with the process."""
