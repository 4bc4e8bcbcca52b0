"""A driver process that stays alive and takes commands, so that repeats can alternate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cf_bench.environments import DRIVERS, PeerMissingError

ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "CUDA_VISIBLE_DEVICES": "",
}


class Worker:
    """A driver on one thread: ``ask`` sends a command and waits, ``send`` and ``answer`` are its halves.

    ``pairs``: how many training pairs it told of when it opened its data.
    PeerMissingError where the process ends or the command fails, with the end of what it wrote to standard error.
    """

    def __init__(self, name: str, python: Path | str, driver: Path) -> None:
        self.name, self.pairs = name, 0
        self._home = tempfile.TemporaryDirectory(prefix="cf-bench-")
        self.work = self._home.name
        self._log = Path(self.work) / "log.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the drivers beside this package
                [str(python), str(driver)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | ONE_THREAD,
            )

    def send(self, do: str, **values: object) -> None:
        """Start a command."""
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        try:
            self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail(f"ended before {do}")

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to what was sent."""
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
        line = self._process.stdout.readline()
        if not line:
            self._fail("ended")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            self._fail(f"failed: {found['error']}")
        return found

    def ask(self, do: str, **values: object) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.send(do, **values)
        return self.answer()

    def _fail(self, what: str) -> None:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()[-1500:]
        raise PeerMissingError(f"{self.name} {what}\n{said}")

    def close(self) -> None:
        """End the process and remove its files."""
        if self._process.stdin is not None and self._process.stdout is not None:
            self._process.stdin.close()
            self._process.stdout.close()
        self._process.wait()
        self._home.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def own_worker() -> Worker:
    """Start this engine's driver."""
    return Worker("hnlm", sys.executable, DRIVERS / "own_driver.py")
