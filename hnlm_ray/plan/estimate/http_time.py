"""How long a server takes: its limits a minute, and its answers at so many requests at the same time."""

from __future__ import annotations

from typing import Final

from hnlm_ray.config.http import HttpConfig
from hnlm_ray.plan.known.answers import Answers

ASSUMED_READ, ASSUMED_WRITE = 2000.0, 40.0
"""Assumed of a server: tokens a second that it reads and writes of one request."""
_MINUTE: Final = 60.0


def http_seconds(
    server: HttpConfig, answers: Answers, rows: int, engines: int, rate: tuple[float, float] | None
) -> float:
    """Return the longest of what each limit asks for; ``rate``: tokens a second read and written of a request."""
    tokens_in, tokens_out = answers.means
    requests = rows * answers.tries
    read, write = rate or (ASSUMED_READ, ASSUMED_WRITE)
    waiting = rows * (tokens_in / read + tokens_out / write) / (server.concurrency * engines)
    by_requests = requests / server.requests_per_minute * _MINUTE if server.requests_per_minute else 0.0
    tokens = rows * (tokens_in + tokens_out)
    by_tokens = tokens / server.tokens_per_minute * _MINUTE if server.tokens_per_minute else 0.0
    return max(waiting, by_requests, by_tokens)
