"""Looks whether the Ray that a run needs is still there, and ends the run with a sentence when it is not.

Ray itself waits for a minute when its head dies, or for ever where its temporary files have no room left, and then ends
the process from within its own code: no error reaches the run, and the last line on the screen is one of progress.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import psutil

from hnlm_ray.base.errors import ResourceError, interrupt
from hnlm_ray.cluster.place import full_folder, temporary_folder
from hnlm_ray.cluster.quiet import standard_error

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 1.0
PATIENCE_S: Final = 40.0
"""A head elsewhere may start again: Ray itself waits for it for 60 seconds."""
GRACE_S: Final = 10.0
"""So long a run has to end after Ray did."""
LEAST_LEFT_MIB: Final = 2
_CONNECT_S: Final = 3.0
_GOES_ON: Final = "the same command goes on where it was"
HEAD, NODE = "its head died", "its processes on this machine died"


class RayWatch:
    """Watches while it is open; left after Ray has ended, it raises ResourceError in place of what that came to.

    Parameters
    ----------
    processes
        Ray's processes on this machine, by what it means when they are gone.
    head
        Where the head listens, ``host:port``; None: it is one of the processes.
    folder
        Where Ray has its temporary files; None: on another machine.
    """

    def __init__(self, processes: Mapping[str, psutil.Process], head: str | None, folder: str | None) -> None:
        self._processes, self._head, self._folder = processes, head, folder
        self._answered = time.monotonic()
        self._over, self._left, self._guard = threading.Event(), False, threading.Lock()
        self.ended: str | None = None

    def look(self) -> str | None:
        """Return why the run can't go on, as a sentence; none when all is there."""
        gone = next((what for what, process in self._processes.items() if not _runs(process)), None)
        if gone is None and self._head is not None and self._silent_s(self._head) > PATIENCE_S:
            gone = HEAD
        if gone is not None:
            return f"Ray ended ({gone}); {_GOES_ON}"
        lack = None if self._folder is None else full_folder(self._folder, LEAST_LEFT_MIB, least_files=1)
        return None if lack is None else f"Ray can't go on: {lack.found}; {lack.remedy}; then {_GOES_ON}"

    def _silent_s(self, head: str) -> float:
        host, _, port = head.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
            self._answered = time.monotonic()
        except OSError:
            log.warning("Ray's head at %s does not answer", head)
        return time.monotonic() - self._answered

    def __enter__(self) -> Self:
        threading.Thread(target=self._keep_looking, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._left = True
        if kind is not None and self.ended is None:
            self.ended = self.look()  # an error that came of it may be sooner than the watch
        if self.ended is None:
            self._over.set()
        else:
            raise ResourceError(self.ended) from error

    def close(self) -> None:
        """End the watch: Ray is shut down."""
        self._over.set()

    def _keep_looking(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            found = self.look()
            with self._guard:  # what is shut down is gone too, and no fault
                if self._left:
                    return
                if found is not None:
                    self.ended = found
                    interrupt()
                    break
        if self.ended is not None and not self._over.wait(GRACE_S):
            _end_now(self.ended)


def _end_now(sentence: str) -> None:
    """End a process whose main thread waits within Ray's code."""
    log.error(sentence)
    stream = standard_error()
    stream.write(f"error: {sentence}\n")
    stream.flush()
    sys.stderr.flush()
    os._exit(ResourceError.exit_code)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def watch_ray(*, local: bool) -> RayWatch:
    """Return a watch over the Ray that this process is connected to.

    Parameters
    ----------
    local
        This process started it: its head does not come back.
    """
    from ray._private import worker

    node = worker._global_node  # noqa: SLF001  nothing public tells the sockets of a node
    if node is None:  # a client of a Ray elsewhere, whose own errors tell
        return RayWatch({}, None, None)
    wanted = {NODE: ("raylet", f"--raylet_socket_name={node.raylet_socket_name}")}
    if local:
        wanted[HEAD] = ("gcs_server", f"--session-name={node.session_name}")
    found = {what: process for what, (name, word) in wanted.items() if (process := _find(name, word)) is not None}
    return RayWatch(found, None if local else node.gcs_address, temporary_folder() if local else None)


def _find(name: str, word: str) -> psutil.Process | None:
    """Return the process of a program that has a word on its command line."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if command and os.path.basename(command[0]) == name and word in command:
            return process
    return None
