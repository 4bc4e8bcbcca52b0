"""What is known of a chunk's rows across the deaths of engines, processes and nodes.

Beside the parts of a table lies a small marker for each piece of rows that is being asked. It is removed once
the piece is written, so a marker that is found tells that somebody died with these rows in flight. They are then
asked again with nobody beside them; of n that die alone each √n are asked alone, then each row, and a row that died
alone twice is recorded as what it is: poison. (A single death proves little: processes are killed from outside.) So a
poisonous row costs five deaths, however large its chunk is: a death can cost a minute, the start of an engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from hnlm_ray.llm.rows.job import Key
from hnlm_ray.workspace import ChunkedTable
from hnlm_ray.workspace.chunks import bucket_prefix

_SUFFIX = ".asked.json"
LONE_DEATHS = 2


class Mark(BaseModel):
    """A marker: these rows were asked alone ``lone_runs`` times and, where it is 0, together with others."""

    model_config = ConfigDict(extra="ignore")

    lone_runs: int = 0


@dataclass(frozen=True)
class Piece:
    """Rows that are asked and written together: places in their chunk."""

    name: str
    rows: range
    alone: bool = False
    lone_runs: int = 0
    """How often they died alone before."""
    poison: bool = False
    """It is one row, and engines died of it alone."""


def chunk_name(bucket: int, keys: Sequence[Key]) -> str:
    """Name a chunk after its bucket and keys, so that a task which Ray repeats overwrites its own chunk."""
    digest = hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:16]
    return f"{bucket_prefix(bucket)}{digest}"


@dataclass(frozen=True)
class Journal:
    """Markers beside the chunks of one bucket."""

    table: ChunkedTable
    bucket: int

    def next_piece(self, keys: Sequence[Key]) -> Piece | None:
        """Return what is to be asked next of a chunk; None when all of it is written."""
        return self._next(keys, range(len(keys)), suspected=False)

    def _next(self, keys: Sequence[Key], rows: range, *, suspected: bool) -> Piece | None:
        name = chunk_name(self.bucket, keys[rows.start : rows.stop])
        if self.table.has(name):
            return None
        mark = self._mark(name)
        lone_runs = 0 if mark is None else mark.lone_runs
        if lone_runs == 0 or (len(rows) == 1 and lone_runs < LONE_DEATHS):
            return Piece(name, rows, alone=suspected or mark is not None, lone_runs=lone_runs)
        if len(rows) == 1:
            return Piece(name, rows, poison=True)
        size = 1 if suspected else math.isqrt(len(rows))
        parts = (range(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size))
        return next(filter(None, (self._next(keys, part, suspected=True) for part in parts)), None)

    def begin(self, piece: Piece) -> None:
        """Mark a piece as being asked."""
        before = self._mark(piece.name)
        runs = (before.lone_runs if before else 0) + piece.alone
        self.table.write_note(f"{piece.name}{_SUFFIX}", Mark(lone_runs=runs).model_dump_json())

    def end(self, piece: Piece) -> None:
        """Forget the mark of a piece that is written."""
        with contextlib.suppress(FileNotFoundError):
            self.table.remove_note(f"{piece.name}{_SUFFIX}")

    def forget_the_shared(self) -> None:
        """Forget who was asked together with others: a run that was stopped blames nobody."""
        for note in self.table.notes(self.bucket, _SUFFIX):
            name = note.removesuffix(_SUFFIX)
            mark = self._mark(name)
            if mark is not None and not mark.lone_runs:
                self.end(Piece(name, range(0)))

    def _mark(self, name: str) -> Mark | None:
        try:
            return Mark.model_validate_json(self.table.read_note(f"{name}{_SUFFIX}"))
        except FileNotFoundError:
            return None
        except ValidationError:  # it was cut off while being written: something died
            return Mark()
