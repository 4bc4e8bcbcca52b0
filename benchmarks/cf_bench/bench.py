"""What a speed run holds: the workers, the settings that all sides share, the rows so far."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, Self

from cf_bench.environments import PEERS, PeerMissingError, python_of
from cf_bench.report import Row, Run, Runs, number
from cf_bench.workers import Worker, own_worker

DIM: Final = 64
LAYERS: Final = 3
BATCH: Final = 2048
LR: Final = 1e-3
REG: Final = {"mf": 0.0, "lightgcn": 1e-4}
"""RecBole's BPR has no L2, so that no side has one there."""


class Bench:
    """Workers are started when first asked for and live until the run ends.

    ``batches`` is how many of an epoch are timed of the works whose epochs take minutes; none: all.
    ``missing`` says why a peer is not in the rows.
    """

    def __init__(self, repeats: int, batches: int | None, *, judged: bool) -> None:
        self.repeats, self.batches, self.judged = repeats, batches, judged
        self.rows: list[Row] = []
        self.missing: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def own(self, name: str = "ours") -> Worker:
        """Return this engine's worker; another name: another process."""
        if name not in self._workers:
            self._workers[name] = self._stack.enter_context(own_worker())
            self.versions["hnlm"] = self._workers[name].ask("versions")
        return self._workers[name]

    def peer(self, name: str) -> Worker | None:
        """Return a peer's worker; none where it can't be installed or started, which ``missing`` then says."""
        if name in self.missing:
            return None
        if name not in self._workers:
            try:
                worker = self._stack.enter_context(new_worker(name))
                self.versions[name] = worker.ask("versions")
            except PeerMissingError as error:
                self.drop(name, error)
                return None
            self._workers[name] = worker
        return self._workers[name]

    def drop(self, name: str, error: PeerMissingError) -> None:
        """Leave a peer out from now on, and say why."""
        self.missing[name] = str(error).splitlines()[0]
        sys.stderr.write(f"{error}\n")

    def left_out(self) -> list[str]:
        """Return a note for each that is missing."""
        return [f"Left out: {name}: {reason}." for name, reason in self.missing.items()]

    def opened(self, name: str, **values: object) -> Worker | None:
        """Return a peer's worker with data and model open; none as of :meth:`peer`."""
        worker = self.peer(name)
        if worker is None:
            return None
        try:
            answer = worker.ask("open", **values)
        except PeerMissingError as error:
            self.drop(name, error)
            return None
        worker.pairs = answer["pairs"]
        return worker

    def race(self, sides: dict[str, Callable[[], Run]]) -> Runs:
        """Run all sides in turns, ours first; a peer that fails is left out and reported.

        What slows the machine down for a while so slows all alike.
        """
        runs: Runs = {name: [] for name in sides}
        for _ in range(self.repeats):
            for name in tuple(runs):
                try:
                    runs[name].append(sides[name]())
                except PeerMissingError as error:
                    if name not in PEERS:
                        raise
                    self.drop(name, error)
                    del runs[name]
        return runs

    def add(self, row: Row) -> None:
        """Keep a row and tell of it."""
        self.rows.append(row if self.judged else row | {"target": None, "met": None})
        sys.stderr.write(
            f"{row['work']}, {row['peer']}: {number(row['ours'])} to {number(row['theirs'])} {row['unit']}\n"
        )


def new_worker(name: str) -> Worker:
    """Start a fresh process of a peer; PeerMissingError where that fails."""
    return Worker(name, python_of(PEERS[name]), PEERS[name].driver)


def our_settings(model: str, **more: object) -> dict[str, Any]:
    """Return the settings of this engine that are those of the peers."""
    return {
        "model": model,
        "dim": DIM,
        "layers": LAYERS,
        "batch_size": BATCH,
        "lr": LR,
        "reg": REG[model],
        "validation": "none",
        **more,
    }
