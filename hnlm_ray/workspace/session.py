"""One run at a time in a workspace: a lock with a heartbeat, and the running stage's journal.

Two locks hold each other's gaps shut. A file lock (``flock``) is exact, ends with its process, and holds among
containers, but object stores have none and network folders not always. So there is also a small JSON file that its
owner rewrites every few seconds, and reads before: whoever wrote last stays, the other one gives way.

The owner in that file is judged by its process where that can be seen: by process id and start time in the same
process namespace of the same boot of a kernel, for containers of one host name have processes of the same numbers.
Elsewhere it is gone once it is silent.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Annotated, Final, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from hnlm_ray.base.errors import HnlmError, ResourceError
from hnlm_ray.base.text import first_line, redacted
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.manifest import Counted, Seconds

log = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
SILENT_AFTER_S = 60.0
_LOCK = "session.json"
_FILE_LOCK: Final = "session.lock"
_READ_AGAIN, _READ_AGAIN_S = 4, 0.05
_SETTLE_S = 0.2
_SETTLE_WRITES: Final = 4
"""So many times as long as a store takes to write: by then the file of one that began at the same moment is there."""
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_NAMESPACE: Final = "/proc/self/ns/pid"


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

    boot: str = ""
    """Names the kernel since it was started; empty where there is none to read, as in files of earlier releases."""
    namespace: str = ""
    """Names the process namespace within it: a container has one of its own."""
    locked: bool = False
    """It holds the file lock too."""

    def alive(self, *, lock_is_free: bool = False) -> bool:
        """Tell whether the owner still runs: by its process where that can be seen from here, else by its last beat.

        Parameters
        ----------
        lock_is_free
            This process has got the file lock: an owner of this kernel that held it is dead.
        """
        here = Beat.of_this_process()
        if lock_is_free and self.locked and self.boot and self.boot == here.boot:
            return False
        if not self._sees(here):
            return time.time() - self.beat < SILENT_AFTER_S
        try:
            return abs(psutil.Process(self.pid).create_time() - self.process_started) < 1
        except psutil.Error:
            return False

    def _sees(self, other: Beat) -> bool:
        """Tell whether both count the same processes."""
        if self.boot and other.boot:
            return (self.boot, self.namespace) == (other.boot, other.namespace)
        return self.host == other.host

    @classmethod
    def of_this_process(cls) -> Beat:
        """Return a beat of now."""
        me = psutil.Process(os.getpid())
        return cls(
            host=socket.gethostname(),
            pid=me.pid,
            process_started=me.create_time(),
            beat=time.time(),
            boot=_boot(),
            namespace=_namespace(),
        )


def _boot() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as stream:
            return stream.read().strip()
    except (OSError, ValueError):
        return ""


def _namespace() -> str:
    try:
        return os.readlink(_NAMESPACE)
    except OSError:
        return ""


class FileLock:
    """The lock of a file, held by an open descriptor: it ends with its process, however that ends.

    Parameters
    ----------
    path
        The file; None: the workspace is in an object store, which has no locks.
    """

    def __init__(self, path: str | None) -> None:
        self._path, self._descriptor = path, -1

    @property
    def held(self) -> bool:
        """Whether this process has it; False also where the file system knows no locks."""
        return self._descriptor >= 0

    def take(self) -> bool:
        """Take the lock; returns False when another has it, True also where there are no locks."""
        while self._path is not None and not self.held:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                log.warning("%s can't be opened (%s): heartbeats alone lock the workspace", self._path, error.strerror)
                return True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError as error:
                os.close(descriptor)
                log.warning("%s can't be locked (%s): heartbeats alone lock the workspace", self._path, error.strerror)
                return True
            if _is_at(descriptor, self._path):
                self._descriptor = descriptor
            else:
                os.close(descriptor)  # its owner removed it in between: there is a new file, or none
        return True

    def release(self) -> None:
        """Remove the file, then give the lock up."""
        if self.held and self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            os.close(self._descriptor)
            self._descriptor = -1


def _is_at(descriptor: int, path: str) -> bool:
    """Tell whether an open file is the one that a path names."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
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
        local = workspace.local_path
        self._lock = FileLock(None if local is None else os.path.join(local, _FILE_LOCK))
        self._lost_to: Beat | None = None

    def __enter__(self) -> Self:
        if not self._lock.take():
            raise ResourceError(self._in_use(_read_lock(self._workspace)))
        try:
            self._refuse(self._holder())
            started = time.monotonic()
            self._beat()
            # Of two that start at the same moment, the one that wrote last stays.
            time.sleep(max(_SETTLE_S, _SETTLE_WRITES * (time.monotonic() - started)))
            self._refuse(self._holder())
        except BaseException:
            self._lock.release()
            raise
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()
        return self

    def _holder(self) -> Beat | None:
        """Return the session that runs here, by the file that is there: this one, or another."""
        beat = _read_lock(self._workspace)
        return beat if beat is not None and beat.alive(lock_is_free=self._lock.held) else None

    def _refuse(self, holder: Beat | None) -> None:
        if holder is not None and holder.token != self._token:
            raise ResourceError(self._in_use(holder))

    def _in_use(self, holder: Beat | None) -> str:
        who = "another process" if holder is None else f"process {holder.pid} on {holder.host}"
        return (
            f"workspace {self._workspace.uri} is in use by {who}: wait for it, stop it, or choose another --workspace"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            holder = _read_lock(self._workspace)
            if holder is None or holder.token == self._token:
                self._workspace.delete(_LOCK)
            else:
                place = redacted(self._workspace.uri)
                log.warning("process %s on %s has taken over workspace %s", holder.pid, holder.host, place)
        finally:
            self._lock.release()

    def begin(self, stage: str, fingerprint: str, retry: str = "") -> None:
        """Note that a stage runs; seconds that an interrupted run of the same work took are kept.

        Raises
        ------
        ResourceError
            When another session has taken the workspace over.
        """
        self.check_held()
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
        """Note the rows of the running stage; written with the next heartbeat.

        Raises
        ------
        ResourceError
            When another session has taken the workspace over: this one must not go on.
        """
        self._refuse(self._lost_to)
        with self._guard:
            if self._journal is not None:
                self._journal = self._journal.model_copy(update={"total": total, "done": done})

    def end(self, error: str | None = None) -> None:
        """Note that the running stage ended; its journal stays only after an error."""
        with self._guard:
            stage, journal = self._stage, self._journal
            self._stage = self._journal = None
        if stage is None or journal is None or self._lost_to is not None:
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
                self._note_loss()
                self._beat()
            except (OSError, HnlmError) as error:  # an object store may fail for a moment: the next beat follows
                log.warning("a heartbeat of this run could not be written: %s", redacted(first_line(error)))

    def check_held(self) -> None:
        """Look whether this session still has the workspace.

        Raises
        ------
        ResourceError
            When another session has taken it over: nothing may be published.
        """
        self._note_loss()
        self._refuse(self._lost_to)

    def _note_loss(self) -> None:
        holder = self._holder()
        if holder is not None and holder.token != self._token:
            self._lost_to = holder

    def _beat(self) -> None:
        with self._guard:
            if self._lost_to is not None:
                return
            own = {"token": self._token, "stage": self._stage, "locked": self._lock.held}
            self._workspace.write_json(_LOCK, Beat.of_this_process().model_copy(update=own))
            if self._journal is not None and self._stage is not None:
                journal = self._journal.model_copy(update={"seconds": self.seconds()})
                self._workspace.write_json(journal_path(self._stage), journal)
