"""CPU seconds of a command and of everything that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

SAMPLE_EVERY_S = 0.1


def measure(command: Sequence[str]) -> dict[str, float]:
    """Run a command to its end; returns CPU seconds by role, their sum, and wall seconds.

    Each process counts as it was last seen (ten times a second), also one that outlives its parent.
    """
    started = time.perf_counter()
    seen: dict[int, tuple[str, float]] = {}
    process = subprocess.Popen(command)  # noqa: S603  one of this folder
    while process.poll() is None:
        _look(process.pid, seen)
        time.sleep(SAMPLE_EVERY_S)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: its message is above")
    roles: dict[str, float] = {}
    for role, seconds in seen.values():
        roles[role] = roles.get(role, 0.0) + seconds
    return {**roles, "cpu_s": sum(roles.values()), "wall_s": time.perf_counter() - started}


def _look(root: int, seen: dict[int, tuple[str, float]]) -> None:
    """Note all processes below ``root``, and those that were."""
    parents, seconds = _table()
    mine = {root} | (seen.keys() & parents.keys())
    found = True
    while found:
        found = {pid for pid, parent in parents.items() if parent in mine} - mine
        mine |= found
    for pid in mine & seconds.keys():
        seen[pid] = _role(pid, root, seen.get(pid, ("", 0.0))[0]), seconds[pid]


def _table() -> tuple[dict[int, int], dict[int, float]]:
    """Return parent and CPU seconds of every process: one small file each, so that looking costs little."""
    tick = os.sysconf("SC_CLK_TCK")
    parents, seconds = dict[int, int](), dict[int, float]()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = (
                Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
        except OSError:
            continue
        parents[int(name)] = int(fields[1])
        seconds[int(name)] = (int(fields[11]) + int(fields[12])) / tick
    return parents, seconds


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
