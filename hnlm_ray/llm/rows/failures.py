"""Failed rows of a stage, grouped by why: status and message, whatever numbers and names the message holds.

The verdict on a stage whose first rows all fail: its other rows are not asked, and what is to be changed is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.text import folded, shorten, shown
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.job import Key, LLMTask, RowJob, RowTask
from hnlm_ray.llm.text.answers import Parsed, clean
from hnlm_ray.llm.text.objects import THINKING_OFF

DONE = ("ok", "none", "pruned")
FAILURE_COLUMNS = ("status", "error", "attempts", "tokens_in", "tokens_out")
_MOST_GROUPS = 1000
_OTHER = "other messages"


@dataclass
class Group:
    """Rows that failed for one reason; ``examples``: keys and messages of the first of them."""

    status: str
    message: str
    rows: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    examples: list[tuple[Key, str]] = field(default_factory=list)


@dataclass
class Failures:
    """Counts rows as they are read, file by file; keeps no more than the groups and their examples.

    ``keys``: the table's key columns. Beyond a thousand groups, rows with other messages are one group a status.
    """

    keys: Sequence[str]
    most_examples: int
    rows: int = 0
    _groups: dict[tuple[str, str], Group] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Count the rows of a file; it has the key columns and :data:`FAILURE_COLUMNS`, CF trainings the first two."""
        self.rows += table.num_rows
        failed = table.filter(pc.invert(pc.is_in(table["status"], pa.array(DONE))))
        for row in failed.to_pylist():
            message = shown(row["error"])
            group = self._group(row["status"], folded(message))
            group.rows += 1
            for name in ("attempts", "tokens_in", "tokens_out"):
                setattr(group, name, getattr(group, name) + row.get(name, 0))
            if len(group.examples) < self.most_examples:
                group.examples.append((tuple(row[name] for name in self.keys), message))

    def _group(self, status: str, message: str) -> Group:
        if (status, message) not in self._groups and len(self._groups) >= _MOST_GROUPS:
            message = _OTHER
        return self._groups.setdefault((status, message), Group(status, message))

    def groups(self) -> list[Group]:
        """Return the groups, the largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.rows, group.status, group.message))


FIRST_ROWS: Final = 50
_ANY = "mend the model, the prompt or the limits"
_REMEDIES: Final = {
    "invalid": "mend the prompt, or take a model that answers in JSON; llm.repair_json mends what is almost JSON",
    "truncated": "raise {limit}",
    "too_long": "raise llm.max_model_len, or shorten what prompts hold (settings that end in _chars)",
    "refused": "change the prompt or the model",
}
_OF_A_SERVER: Final = {
    "invalid": "set llm.http.structured to what the server can do, mend the prompt, or take another model; "
    "llm.repair_json mends what is almost JSON",
    "truncated": f"raise {{limit}}, or have a reasoning model answer at once by {THINKING_OFF}",
    "too_long": "have the server take longer prompts, or shorten them (settings that end in _chars)",
    "engine_error": "mend the server, or llm.http",
}


def first_rows(allowed: float, total: int, todo: int) -> int:
    """Return how many rows judge the others, of which ``todo`` of ``total`` are not done; 0 where all of them may fail.

    ``allowed``: ``llm.max_failed_share``.
    """
    return FIRST_ROWS if todo > allowed * total else 0


def remedy_of(status: str, job: RowJob[RowTask]) -> str:
    """Say what to change where most rows of a stage end with a status."""
    if not isinstance(job.task, LLMTask):
        return _ANY
    known = _REMEDIES if engine_kind(job.llm).server(job.llm) is None else _REMEDIES | _OF_A_SERVER
    return known.get(status, _ANY).replace("{limit}", job.task.limit)


_SAMPLE_CHARS: Final = 200


class FirstRows:
    """The rows that an engine is asked first: when all of them fail with one status, no other is asked.

    Until one has a usable answer, or two fail in different ways, no more than ``most`` are asked; 0: no verdict.
    ``remedy`` says what to change for a status.
    """

    def __init__(self, most: int = 0, remedy: Callable[[str], str] = str) -> None:
        self._most, self._remedy = most, remedy
        self._changed = asyncio.Condition()
        self._asked, self._failed, self._sample = 0, list[Parsed](), ""
        self._open = most == 0
        self._stop: str | None = None

    async def enter(self) -> None:
        """Wait until a row may be asked.

        Raises
        ------
        StageError
            When the first rows all failed: which status, an answer, and what is to be changed.
        """
        if self._open:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: self._open or self._stop is not None or self._asked < self._most)
            if self._stop is not None:
                raise StageError(self._stop)
            self._asked += 1

    async def leave(self, outcome: Parsed | None, answer: str) -> None:
        """Note a row's outcome and its last answer; None: it has none yet, and another may be asked in its place."""
        if self._open:
            return
        async with self._changed:
            self._note(outcome, answer)
            self._changed.notify_all()

    def _note(self, outcome: Parsed | None, answer: str) -> None:
        if outcome is None:
            self._asked -= 1
            return
        self._failed.append(outcome)
        self._sample = self._sample or clean(answer[: 10 * _SAMPLE_CHARS])
        self._open = outcome.status in DONE or outcome.status != self._failed[0].status
        if len(self._failed) >= self._most and not self._open:
            self._stop = self._verdict(outcome)

    def _verdict(self, last: Parsed) -> str:
        count, status, reason = len(self._failed), last.status, shown(last.error)
        sample = f"; one answer was '{shorten(self._sample, _SAMPLE_CHARS)}'" if self._sample else ""
        remedy = "" if THINKING_OFF in reason else f": {self._remedy(status)}"  # the reason says what to set
        again = f"the same command goes on, and `--retry failed:{status}` asks these again"
        return (
            f"the first {count} rows all ended as '{status}' ({reason}), so no other is asked{remedy}; what is done is "
            f"kept: {again}{sample}"
        )
