"""Outcomes of rows as rows of a stage's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import HnlmError, error_of, kind_of
from hnlm_ray.llm.rows.attempts import Outcome
from hnlm_ray.llm.rows.job import LLMTask, RowJob, RowPrompt, Spent, llm_identity
from hnlm_ray.llm.rows.journal import LONE_DEATHS
from hnlm_ray.llm.text.answers import Parsed


def poisonous(task: LLMTask, before: Spent) -> Outcome:
    """Return the outcome of a row that engines died of."""
    return failed(task, "the engine died whenever it was asked for this row alone", before, LONE_DEATHS)


def failed(task: LLMTask, error: str, before: Spent, attempts: int = 1) -> Outcome:
    """Return the outcome of a row that could not be asked; ``before``: what earlier outcomes of it took."""
    spent = before.attempts + attempts, before.tokens_in, before.tokens_out
    return Outcome(Parsed("engine_error", error=error), *spent, task.prompt.version)


def outcome_table(job: RowJob[LLMTask], rows: Sequence[RowPrompt], outcomes: Sequence[Outcome]) -> pa.Table:
    """Arrange rows and their outcomes as rows of the output table; fields of a failed row are null."""
    columns: dict[str, list[Any]] = {name: [row.key[n] for row in rows] for n, name in enumerate(job.task.keys)}
    for answer_field, column in job.task.columns.items():
        columns[column] = [outcome.parsed.fields.get(answer_field) for outcome in outcomes]
    columns["status"] = [outcome.parsed.status for outcome in outcomes]
    columns["error"] = [outcome.parsed.error for outcome in outcomes]
    for name in ("attempts", "tokens_in", "tokens_out", "prompt_version"):
        columns[name] = [getattr(outcome, name) for outcome in outcomes]
    columns["model"] = [llm_identity(job.llm)] * len(rows)
    columns["prompt_cut"] = [row.cut for row in rows]
    columns["prompt_defused"] = [row.defused for row in rows]
    columns |= {name: [row.beside[name] for row in rows] for name in job.store.schema.names if name not in columns}
    return pa.table({name: columns[name] for name in job.store.schema.names}, schema=job.store.schema)


@dataclass(frozen=True)
class ChunkReport:
    """What a worker tells the driver of rows that it wrote; through Ray Data it travels as one row.

    Attributes
    ----------
    rows, statuses
        Rows written, and how they ended.
    tokens
        What they took, without what earlier outcomes of them took.
    left, stop
        Rows that stay undone, and why the engine can answer nothing more.
    """

    rows: int
    tokens: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    stop: HnlmError | None = None

    @classmethod
    def of(
        cls, written: pa.Table, rows: Sequence[RowPrompt], left: int = 0, stop: HnlmError | None = None
    ) -> ChunkReport:
        """Count what was written; ``rows`` are those that were asked for it."""
        tokens = sum(pc.sum(written[name]).as_py() or 0 for name in ("tokens_in", "tokens_out"))
        before = sum(row.before.tokens_in + row.before.tokens_out for row in rows)
        return cls(written.num_rows, tokens - before, Counter(written["status"].to_pylist()), left, stop)

    def to_arrow(self) -> pa.Table:
        """Return it as a table of one row."""
        kind, told = (None, None) if self.stop is None else (kind_of(self.stop), str(self.stop))
        row = {"rows": self.rows, "tokens": self.tokens, "statuses": list(self.statuses.items()), "left": self.left}
        return pa.Table.from_pylist([{**row, "stop_kind": kind, "stop": told}], schema=_REPORT)

    @classmethod
    def from_arrow(cls, reports: pa.Table) -> Iterator[ChunkReport]:
        """Return the reports that are a table's rows."""
        for row in reports.to_pylist():
            kind, told = row.pop("stop_kind"), row.pop("stop")
            stop = None if kind is None else error_of(kind, told)
            yield cls(**{**row, "statuses": dict(row["statuses"])}, stop=stop)


_REPORT = pa.schema(
    {
        "rows": pa.int64(),
        "tokens": pa.int64(),
        "statuses": pa.map_(pa.string(), pa.int64()),
        "left": pa.int64(),
        "stop_kind": pa.string(),
        "stop": pa.string(),
    }
)
