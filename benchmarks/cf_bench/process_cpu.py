"""CPU seconds of a command and of everything that it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import psutil

SAMPLE_EVERY_S = 0.1
Found = TypeVar("Found")


@dataclass(frozen=True)
class Seen:
    """A process as it was last seen; ``started`` (in ticks) tells it from a later one with the same number."""

    alive: bool
    parent: int
    started: int
    seconds: float
    role: str = ""


def measure(command: Sequence[str]) -> dict[str, float]:
    """Run a command to its end; returns CPU seconds by role, their sum, and wall seconds.

    Each process counts as it was last seen (ten times a second), also one that outlives its parent.
    """
    started = time.perf_counter()
    seen: dict[int, Seen] = {}
    process = subprocess.Popen(command)  # noqa: S603  one of this folder
    while process.poll() is None:
        _look(process.pid, seen)
        time.sleep(SAMPLE_EVERY_S)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: its message is above")
    return _summed(seen) | {"wall_s": time.perf_counter() - started}


def measure_until(
    process: subprocess.Popen[bytes], seconds: float, reached: Callable[[], Found]
) -> tuple[Found, dict[str, float]]:
    """Let a process that was just started run for so long; returns what it has reached then, and its CPU seconds.

    Then it is killed, with all that it started. ChildProcessError where it ends before.
    """
    started, seen = time.monotonic(), dict[int, Seen]()
    try:
        while time.monotonic() - started < seconds:
            _look(process.pid, seen)
            if process.poll() is not None:
                raise ChildProcessError(f"ended by itself, with {process.returncode}")
            time.sleep(SAMPLE_EVERY_S)
        return reached(), _summed(seen)
    finally:
        _kill(process, seen)


def _kill(process: subprocess.Popen[bytes], seen: dict[int, Seen]) -> None:
    """Kill a process and all that it started, until none is left: some start others anew."""
    _look(process.pid, seen)
    process.kill()
    process.wait()
    while left := _look(process.pid, seen):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(SAMPLE_EVERY_S)


def _summed(seen: dict[int, Seen]) -> dict[str, float]:
    roles: dict[str, float] = {}
    for one in seen.values():
        roles[one.role] = roles.get(one.role, 0.0) + one.seconds
    return {**roles, "cpu_s": sum(roles.values())}


def _look(root: int, seen: dict[int, Seen]) -> set[int]:
    """Note all processes below ``root``, and those that were; returns those that are alive."""
    there = _table()
    mine = {pid for pid, one in seen.items() if pid in there and there[pid].started == one.started}
    if root in there and root not in seen:
        mine.add(root)
    found = True
    while found:
        found = {pid for pid, one in there.items() if one.parent in mine} - mine
        mine |= found
    for pid in mine:
        before = seen[pid].role if pid in seen else ""
        seen[pid] = replace(there[pid], role=_role(pid, root, before))
    return {pid for pid in mine if there[pid].alive}


def _table() -> dict[int, Seen]:
    """Return every process: one small file each, so that looking costs little."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            text = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        seconds = (int(fields[11]) + int(fields[12])) / tick
        found[int(name)] = Seen(fields[0] != "Z", int(fields[1]), int(fields[19]), seconds)
    return found


def _role(pid: int, root: int, before: str) -> str:
    """Return what a process is; a worker is first seen under another name."""
    if pid == root:
        return "main_cpu_s"
    if before == "workers_cpu_s":
        return before
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return before or "servers_cpu_s"
    is_worker = command.startswith("ray::") or "default_worker.py" in command or "multiprocessing" in command
    return "workers_cpu_s" if is_worker else "servers_cpu_s"
