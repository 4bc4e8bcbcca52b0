"""When a request to a server may go: evenly spaced by its limits, not while the server asks for quiet."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_FIRST_BACKOFF_S = 1.0
_MOST_DOUBLINGS = 20
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Clock:
    """Seconds that pass; a test has its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class RateLimiter:
    """The limits of one engine, and the pause that a server asked for; all its requests share them.

    It is a leaky bucket without bursts: what goes takes its share of a minute, of requests and of tokens, and the
    next one waits for that. So a minute holds no more than the limits allow, but for the tokens of one request.
    ``stop`` is called now and then by those that wait: what it raises ends the waiting.
    """

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        clock: Clock,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._stop = clock, stop
        self._request_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._requests_free = self._tokens_free = self._quiet_until = -math.inf

    async def turn(self, tokens: int) -> None:
        """Wait until a request of about so many tokens may go."""
        while True:
            await self._wait_until(self._reserve(tokens))
            if self._clock.now() >= self._quiet_until:
                return  # else a pause began meanwhile: it queues anew

    def _reserve(self, tokens: int) -> float:
        start = max(self._clock.now(), self._requests_free, self._tokens_free, self._quiet_until)
        self._requests_free = start + self._request_s
        self._tokens_free = start + tokens * self._token_s
        return start

    async def _wait_until(self, moment: float) -> None:
        while (left := moment - self._clock.now()) > 0:
            await self._clock.sleep(min(left, _LOOK_EVERY_S))
            self._stop()

    async def wait(self, seconds: float) -> None:
        """Wait before another try."""
        await self._wait_until(self._clock.now() + seconds)

    def count(self, tokens: int) -> None:
        """Note that a request took so many tokens more (or, negative, fewer) than was said."""
        self._tokens_free += tokens * self._token_s

    def pause(self, seconds: float) -> None:
        """Let nothing go for so long."""
        self._quiet_until = max(self._quiet_until, self._clock.now() + seconds)


def backoff(failures: int, most: float, draw: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after so many failures in a row: exponential, with full jitter."""
    return draw() * min(most, _FIRST_BACKOFF_S * 2.0 ** min(failures, _MOST_DOUBLINGS))


def retry_after(header: str | None, wall_time: float) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None where there is none that can be read."""
    if header is None:
        return None
    if header.strip().isdecimal() and header.isascii() and len(header) < 16:
        return float(header)
    try:
        date = parsedate_to_datetime(header)
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - wall_time)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
