"""Ends what a killed run leaves behind: Ray's and vLLM's processes of that run, and no other's.

``python -m hnlm_ray.cluster.reaper PID TOKEN`` runs beside a local Ray, in a session of its own. When process
PID is gone, however it went, each process that carries the run's token in its environment is killed.
Without it, ``kill -9`` of a run can leave engine processes that hold memory and cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

TOKEN_VARIABLE = "HNLM_RUN_TOKEN"  # noqa: S105  names processes, protects nothing
_POLL_S = 0.5
_GRACE_S = 3.0


def start_reaper(token: str) -> None:
    """Start the reaper for this process; ``token`` is in the environment of all it starts from now on."""
    command = [sys.executable, "-m", "hnlm_ray.cluster.reaper", str(os.getpid()), token]
    environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    null = subprocess.DEVNULL
    subprocess.Popen(command, env=environment, start_new_session=True, stdin=null, stdout=null, stderr=null)  # noqa: S603  our own module


def processes_of(token: str) -> list[psutil.Process]:
    """Return the processes whose environment carries a run's token."""
    return [process for process in psutil.process_iter() if _carries(process, token)]


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(TOKEN_VARIABLE) == token
    except (psutil.Error, OSError):
        return False


def reap(pid: int, token: str) -> None:
    """Wait for the end of process ``pid``, then kill what still carries its token."""
    try:
        owner = psutil.Process(pid)
        while owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_POLL_S)
    except psutil.NoSuchProcess:
        pass
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline and processes_of(token):
        time.sleep(_POLL_S)
    for _ in range(10):
        left = processes_of(token)
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if not left:
            return
        time.sleep(_POLL_S)


if __name__ == "__main__":
    reap(int(sys.argv[1]), sys.argv[2])
