"""Keeps Ray's, vLLM's and every library's noise out of what a user sees, and in a log file."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Streams:
    """The real standard output and error, while file descriptors 1 and 2 write to the log."""

    out: TextIO
    err: TextIO


_shown: list[Streams] = []
"""Of those that are quiet now, the last being the present one."""


def standard_error() -> TextIO:
    """Return the real standard error, also while everything else goes to a log."""
    return _shown[-1].err if _shown else sys.stderr


@contextlib.contextmanager
def quiet(log_path: str) -> Iterator[Streams]:
    """Point standard output, standard error and Python logging at a log file while it lasts.

    File descriptors are redirected, not just Python's streams, so that C++ code and child processes
    (Ray's workers forward their output to the driver) end up in the file as well.
    """
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    handler = logging.FileHandler(log_path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    with open(log_path, "a", encoding="utf-8") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    streams = Streams(*(os.fdopen(os.dup(one), "w", buffering=1, encoding="utf-8", errors="replace") for one in saved))
    _shown.append(streams)
    try:
        yield streams
    finally:
        _shown.remove(streams)
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, one in zip((1, 2), saved, strict=True):
            os.dup2(one, descriptor)
            os.close(one)
        logging.getLogger().removeHandler(handler)
        handler.close()
