"""One run at a time in a workspace: a lock with a heartbeat, and the running stage's journal.

Object stores have no file locks, so the lock is a small JSON file that its owner rewrites every few
seconds. A file whose owner is dead (same host) or silent (another host) is taken over.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Annotated, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from hnlm_ray.base.errors import HnlmError, ResourceError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.base.text import first_line
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.manifest import Counted, Seconds

log = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
SILENT_AFTER_S = 60.0
_LOCK = "session.json"
_READ_AGAIN, _READ_AGAIN_S = 4, 0.05
_SETTLE_S = 0.2


class Beat(BaseModel):
    """The lock file."""

    model_config = ConfigDict(extra="ignore")

    host: str
    pid: Annotated[int, Field(gt=0, lt=2**31)]
    process_started: FiniteFloat
    beat: FiniteFloat
    token: str = ""
    """Tells one session from another."""
    stage: str | None = None

    def alive(self) -> bool:
        """Tell whether the owner still runs: by its process on this host, by its last beat elsewhere."""
        if self.host != socket.gethostname():
            return time.time() - self.beat < SILENT_AFTER_S
        try:
            return abs(psutil.Process(self.pid).create_time() - self.process_started) < 1
        except psutil.Error:
            return False


class StageJournal(BaseModel):
    """What is known of a stage that has not been published: seconds spent, last error, rows counted."""

    model_config = ConfigDict(extra="ignore")

    fingerprint: str
    seconds: Seconds = 0.0
    error: str | None = None
    total: Counted | None = None
    """Rows (epochs, trials, ...) there are in all; none before the stage has counted them."""
    done: Counted = 0
    retry: str = ""
    """Which failed rows of the published table it asks again, as the command line takes it; empty: none."""


def journal_path(stage: str) -> str:
    """Return where a stage's journal lies, below the workspace."""
    return f"stages/{stage}.json"


def read_beat(workspace: Workspace) -> Beat | None:
    """Return the running session of a workspace; None when nothing runs in it."""
    beat = _read_lock(workspace)
    return beat if beat is not None and beat.alive() else None


def _read_lock(workspace: Workspace) -> Beat | None:
    beat = workspace.read_json(_LOCK, Beat)
    for _ in range(_READ_AGAIN):
        if beat is not None or not workspace.exists(_LOCK):
            break
        time.sleep(_READ_AGAIN_S)  # its owner is rewriting it just now
        beat = workspace.read_json(_LOCK, Beat)
    return beat


class Session:
    """Holds the lock of a workspace while a run lasts."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._stage: str | None = None
        self._journal: StageJournal | None = None
        self._seconds_before = 0.0
        self._stage_started = 0.0

    def __enter__(self) -> Self:
        self._refuse(read_beat(self._workspace))
        self._beat()
        time.sleep(_SETTLE_S)  # of two that start at the same moment, the one that wrote last stays
        self._refuse(read_beat(self._workspace))
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()
        return self

    def _refuse(self, holder: Beat | None) -> None:
        if holder is not None and holder.token != self._token:
            raise ResourceError(
                f"workspace {self._workspace.uri} is in use by process {holder.pid} on {holder.host}: "
                "wait for it, stop it, or choose another --workspace"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        holder = _read_lock(self._workspace)
        if holder is None or holder.token == self._token:
            self._workspace.delete(_LOCK)
        else:
            place = redacted(self._workspace.uri)
            log.warning("process %s on %s has taken over workspace %s", holder.pid, holder.host, place)

    def begin(self, stage: str, fingerprint: str, retry: str = "") -> None:
        """Note that a stage runs; seconds that an interrupted run of the same work took are kept."""
        before = self._workspace.read_json(journal_path(stage), StageJournal)
        same = before is not None and before.fingerprint == fingerprint
        with self._guard:
            self._seconds_before = before.seconds if before is not None and same else 0.0
            self._stage, self._stage_started = stage, time.monotonic()
            self._journal = StageJournal(fingerprint=fingerprint, seconds=self._seconds_before, retry=retry)
        self._beat()

    def seconds(self) -> float:
        """Return the seconds spent on the running stage, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._stage_started

    def count(self, total: int, done: int) -> None:
        """Note the rows of the running stage; written with the next heartbeat."""
        with self._guard:
            if self._journal is not None:
                self._journal = self._journal.model_copy(update={"total": total, "done": done})

    def end(self, error: str | None = None) -> None:
        """Note that the running stage ended; its journal stays only after an error."""
        with self._guard:
            stage, journal = self._stage, self._journal
            self._stage = self._journal = None
        if stage is None or journal is None:
            return
        self._beat()
        if error is None:
            self._workspace.delete(journal_path(stage))
            return
        failed = journal.model_copy(update={"seconds": self.seconds(), "error": error})
        self._workspace.write_json(journal_path(stage), failed)

    def _keep_beating(self) -> None:
        while not self._stop.wait(BEAT_EVERY_S):
            try:
                self._beat()
            except (OSError, HnlmError) as error:  # an object store may fail for a moment: the next beat follows
                log.warning("a heartbeat of this run could not be written: %s", redacted(first_line(error)))

    def _beat(self) -> None:
        with self._guard:
            me = psutil.Process(os.getpid())
            beat = Beat(
                host=socket.gethostname(),
                pid=me.pid,
                process_started=me.create_time(),
                beat=time.time(),
                token=self._token,
                stage=self._stage,
            )
            self._workspace.write_json(_LOCK, beat)
            if self._journal is not None and self._stage is not None:
                journal = self._journal.model_copy(update={"seconds": self.seconds()})
                self._workspace.write_json(journal_path(self._stage), journal)
