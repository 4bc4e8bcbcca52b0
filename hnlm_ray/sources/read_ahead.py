"""An iterator that works ahead in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_LOOK_EVERY_S = 0.1

T = TypeVar("T")


def read_ahead(items: Iterator[T], most: int = 4) -> Iterator[T]:
    """Yield what an iterator yields; it goes on meanwhile, until ``most`` items wait.

    Reading, decompressing and converting let go of Python's lock for most of their time, and so does writing: the two
    then take two cores. What the iterator raises is raised here, after the items before it. When the caller stops
    early, so does the thread.
    """
    ahead: queue.Queue[T] = queue.Queue(most)
    over = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        working = pool.submit(_work, items, ahead, over)
        try:
            while not (working.done() and ahead.empty()):
                try:
                    yield ahead.get(timeout=_LOOK_EVERY_S)
                except queue.Empty:
                    continue
            working.result()
        finally:
            over.set()


def _work(items: Iterator[T], ahead: queue.Queue[T], over: threading.Event) -> None:
    for item in items:
        while not over.is_set():
            try:
                ahead.put(item, timeout=_LOOK_EVERY_S)
            except queue.Full:
                continue
            break
        else:
            return
