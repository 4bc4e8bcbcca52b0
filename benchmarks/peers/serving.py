# ruff: noqa: INP001 - beside the drivers, which are run as files by other environments' Pythons
"""What every driver shares: commands over a pipe, clocks, peak memory, the pairs. Standard library and NumPy only.

A driver reads one JSON object a line ({"do": NAME, ...}) and answers with one a line. What the libraries print goes to
standard error, so that it can't mix with the answers.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 5
"""Batches before the clock starts, where not a whole epoch is timed."""


class Clock:
    """Wall and CPU seconds (of all threads) between ``start`` and ``stop``, and the training pairs done meanwhile."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.pairs = 0
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> dict[str, float]:
        """Return the seconds since ``start``."""
        return {
            "wall_s": time.perf_counter() - self._wall,
            "cpu_s": time.process_time() - self._cpu,
            "pairs": self.pairs,
        }


def some_batches(batches: Iterator[Any], count: int, clock: Clock, size: Callable[[Any], int]) -> Iterator[Any]:
    """Yield a warm-up, then ``count`` batches on the clock; fewer where the epoch ends."""
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            clock.start()
        batch = next(batches, None)
        if batch is None:
            return
        clock.pairs += size(batch)
        yield batch


def read_pairs(folder: str, split: str) -> np.ndarray:
    """Return users and items of a split, int32[pairs, 2]."""
    return np.load(Path(folder) / f"{split}.npy")


def read_sizes(folder: str) -> tuple[int, int]:
    """Return how many users and items there are."""
    sizes = json.loads((Path(folder) / "sizes.json").read_text(encoding="utf-8"))
    return sizes["users"], sizes["items"]


def to_csr(folder: str, split: str) -> Any:  # noqa: ANN401 - a scipy matrix; not every driver has scipy loaded
    """Return a split as a SciPy CSR matrix of ones, float32[users, items]."""
    from scipy.sparse import csr_matrix

    pairs = read_pairs(folder, split)
    return csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), read_sizes(folder))


def peak_mib() -> float:
    """Return the most memory this process has held, in MiB.

    Linux hands a child the parent's peak in ``ru_maxrss``; VmHWM counts this program alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions."""
    return {name: version(name) for name in packages}


def serve(commands: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer commands until the pipe closes."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    commands = {"memory": lambda: {"peak_mib": peak_mib()}, **commands}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = commands[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is told to the one who asked
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
