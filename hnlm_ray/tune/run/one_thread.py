"""One thread of a process that does all of its trainings, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class OneThread:
    """Runs what it is given in a thread of its own, which is started when it is first needed.

    Ray Tune starts a new thread for every trial of a worker. The C library gives each thread the next free one of its
    arenas, and what a training has freed stays in its arena (:mod:`hnlm_ray.cf.kernels.allocator`), so that a worker would
    hold the memory of a training once an arena, more with each trial. The thread is a daemon: a worker that is to end
    does not wait for it.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Do the work and wait for its end; what it raises is raised here, SystemExit too."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="trainings", daemon=True)
            self._thread.start()
        ended: Future[None] = Future()
        self._asked.put((work, ended))
        try:
            ended.result()
        finally:
            del ended  # what was raised refers to this frame: a cycle would keep the training's tables

    def _serve(self) -> None:
        while True:
            _do(*self._asked.get())


def _do(work: Callable[[], None], ended: Future[None]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        ended.set_exception(error)
    else:
        ended.set_result(None)
    finally:
        del work, ended  # as above
