"""A gate that many pass together, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Rows are asked together; those under suspicion are asked with nobody else inside.

    Who wants to be alone goes before those that come later.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._waiting_alone = 0
        self._taken = False

    @asynccontextmanager
    async def pass_through(self, *, alone: bool) -> AsyncIterator[None]:
        """Be inside, with others or ``alone``."""
        await (self._enter_alone() if alone else self._enter())
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._taken = False
                self._changed.notify_all()

    async def _enter(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._taken and not self._waiting_alone)
            self._inside += 1

    async def _enter_alone(self) -> None:
        async with self._changed:
            self._waiting_alone += 1
            try:
                await self._changed.wait_for(lambda: not self._inside)
            finally:
                self._waiting_alone -= 1
                self._changed.notify_all()
            self._inside, self._taken = 1, True
