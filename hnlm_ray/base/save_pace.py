"""When the state of something that runs is worth writing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EVERY_S: Final = 5.0
SHARE: Final = 0.05
"""A state is written at most every so many seconds, and in so much of the time: of a run of seconds there is none."""


class SavePace:
    """Tells when the next state is due, from how long ago the last was written and how long that took."""

    def __init__(self) -> None:
        self._written, self._took = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether a state is to be written now."""
        return time.monotonic() - self._written >= max(EVERY_S, self._took / SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure how long a state takes to be made and written."""
        started = time.monotonic()
        yield
        self._written = time.monotonic()
        self._took = self._written - started
