"""Ends a process whose event loop has stopped: a row that blocks it would otherwise block the stage for ever."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time

log = logging.getLogger(__name__)
_LOOKS_PER_LIMIT = 10
EXIT_CODE = 70


def watch_loop(loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
    """End this process when ``loop`` does nothing for ``limit_s`` seconds; Ray starts the actor again."""
    threading.Thread(target=_watch, args=(loop, limit_s), daemon=True, name="loop-watchdog").start()


def _watch(loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
    seen = time.monotonic()

    def note() -> None:
        nonlocal seen
        seen = time.monotonic()

    while not loop.is_closed():
        loop.call_soon_threadsafe(note)
        time.sleep(limit_s / _LOOKS_PER_LIMIT)
        if time.monotonic() - seen > limit_s:
            log.error("nothing moved in this process for %g s: it is ended", limit_s)
            os._exit(EXIT_CODE)
