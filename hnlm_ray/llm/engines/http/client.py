"""Posts JSON to a server: within its limits, again after a passing failure, never for ever."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping

from hnlm_ray.config.llm import HttpServer
from hnlm_ray.llm.engines.http.errors import CircuitBreaker, is_for_now
from hnlm_ray.llm.engines.http.rate_limits import Clock, RateLimiter, backoff, retry_after
from hnlm_ray.llm.engines.http.transport import Failure, Reply, ServerKey, Transport

log = logging.getLogger(__name__)


class HttpClient:
    """One server as an engine sees it; ``sharers`` engines divide the limits that are per minute.

    ``setting`` is the part of the configuration that errors name.
    """

    def __init__(self, server: HttpServer, setting: str, sharers: int = 1, clock: Clock | None = None) -> None:
        self._server = server
        self.key = ServerKey(server, setting)
        self.verdict = CircuitBreaker(server, setting, self.key)
        requests, tokens = server.requests_per_minute, server.tokens_per_minute
        shares = requests and requests / sharers, tokens and tokens / sharers
        self.pace = RateLimiter(*shares, clock or Clock(), self.verdict.stop_if_hopeless)
        self._places = asyncio.Semaphore(server.concurrency)
        self._transport = Transport(server, self.key)

    async def post(self, path: str, body: Mapping[str, object], tokens: int) -> Reply | Failure:
        """Return the reply to a request of about so many tokens, or the failure of its last try.

        Raises
        ------
        HnlmError
            When no request can succeed: the key is refused, nothing is at that address, ...
        """
        content = json.dumps(body, allow_nan=False).encode()
        async with self._places:
            self.verdict.stop_if_hopeless()
            heard = self.verdict.heard
            result = await self._tries(path, content, tokens)
            if isinstance(result, Failure):
                if not result.reached and self.verdict.heard == heard:
                    self.verdict.unreached(result.told)
                self.verdict.failed(result.told)
            return result

    async def _tries(self, path: str, content: bytes, tokens: int) -> Reply | Failure:
        failures = 0
        while True:
            await self.pace.turn(tokens)
            result = await self._transport.post(path, content)
            asked = None
            if isinstance(result, Reply):
                self.verdict.heard += 1
                if result.status >= 300:  # an answer is taken even from a server that is given up
                    self.verdict.stop_if_hopeless(result)
                if not is_for_now(result.status):
                    return result
                asked = retry_after(result.headers.get("retry-after"), time.time())
                result = Failure(self.verdict.told(result))
            if not result.again or failures >= self._server.retries:
                return result
            await self._wait(result, failures, asked)
            failures += 1

    async def _wait(self, failure: Failure, failures: int, asked: float | None) -> None:
        """Wait before the next try; a wait that the server asked for holds for all requests."""
        most = self._server.max_wait_s
        wait = backoff(failures, most)
        if asked is not None:
            self.pace.pause(min(asked, most))
            wait = max(wait, min(asked, most))
        log.info("a request is tried again in %.1f s: %s", wait, failure.told)
        await self.pace.wait(wait)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
