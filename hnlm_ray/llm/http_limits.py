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


@dataclass(frozen=True)
class Clock:
    """Seconds that pass; a test has its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Spacing:
    """A leaky bucket without bursts: what passes takes its share of a minute, and the next one waits for that.

    So no minute holds more than the limit, but for one request's excess over its estimate.
    """

    def __init__(self, per_minute: float | None, now: float) -> None:
        self._seconds = 60 / per_minute if per_minute else 0.0
        self._free = now

    def reserve(self, amount: float, earliest: float) -> float:
        """Return the moment from which ``amount`` (requests or tokens) may go."""
        start = max(self._free, earliest)
        self._free = start + amount * self._seconds
        return start

    def correct(self, amount: float) -> None:
        """Count ``amount`` more; less where it is negative."""
        self._free += amount * self._seconds


class Pace:
    """The limits of one engine, and the pause that a server asked for; all its requests share them."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None, clock: Clock) -> None:
        self._clock = clock
        self._requests = Spacing(requests_per_minute, clock.now())
        self._tokens = Spacing(tokens_per_minute, clock.now())
        self._quiet_until = -math.inf

    async def turn(self, tokens: int) -> None:
        """Wait until a request of about so many tokens may go."""
        while True:
            earliest = max(self._clock.now(), self._quiet_until)
            start = max(self._requests.reserve(1, earliest), self._tokens.reserve(tokens, earliest))
            await self._wait_until(start)
            if self._clock.now() >= self._quiet_until:
                return  # else a pause began meanwhile: it queues anew

    async def _wait_until(self, moment: float) -> None:
        while (left := moment - self._clock.now()) > 0:
            await self._clock.sleep(left)

    def count(self, tokens: int) -> None:
        """Note that a request took so many tokens more (or fewer) than was said."""
        self._tokens.correct(tokens)

    def pause(self, seconds: float) -> None:
        """Let nothing go for so long."""
        self._quiet_until = max(self._quiet_until, self._clock.now() + seconds)


def backoff(failures: int, most: float, draw: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after so many failures in a row: exponential, with full jitter."""
    return draw() * min(most, _FIRST_BACKOFF_S * 2 ** min(failures, _MOST_DOUBLINGS))


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
