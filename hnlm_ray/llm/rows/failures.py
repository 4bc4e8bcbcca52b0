"""Failed rows of a stage, grouped by why: status and message, whatever numbers and names the message holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.text import folded, shown
from hnlm_ray.llm.rows.job import Key

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
