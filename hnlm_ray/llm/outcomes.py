"""Outcomes of rows as rows of a stage's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.errors import HnlmError
from hnlm_ray.llm.answers import Parsed
from hnlm_ray.llm.asking import Outcome
from hnlm_ray.llm.job import LLMTask, RowJob, RowPrompt, Spent, llm_identity
from hnlm_ray.llm.journal import LONE_DEATHS


def poisonous(task: LLMTask, before: Spent) -> Outcome:
    """Return the outcome of a row that engines died of."""
    return failed(task, "the engine died whenever it was asked for this row alone", before, LONE_DEATHS)


def failed(task: LLMTask, error: str, before: Spent, attempts: int = 1) -> Outcome:
    """Return the outcome of a row that could not be asked; ``before``: what earlier outcomes of it took."""
    spent = before.attempts + attempts, before.tokens_in, before.tokens_out
    return Outcome(Parsed("engine_error", error=error), *spent, task.prompt.version)


def outcome_table(job: RowJob, rows: Sequence[RowPrompt], outcomes: Sequence[Outcome]) -> pa.Table:
    """Arrange rows and their outcomes as rows of the output table; fields of a failed row are null."""
    task = cast("LLMTask", job.task)
    columns: dict[str, list[Any]] = {name: [row.key[n] for row in rows] for n, name in enumerate(task.keys)}
    for answer_field, column in task.columns.items():
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


def counted(table: pa.Table, rows: Sequence[RowPrompt], left: int = 0, stop: HnlmError | None = None) -> pa.Table:
    """Tell the driver what was written: one row with the rows, their statuses, the tokens, and the rows left undone.

    ``stop``: why the engine can answer nothing more.
    """
    statuses = Counter(table["status"].to_pylist())
    tokens = sum(pc.sum(table[name]).as_py() or 0 for name in ("tokens_in", "tokens_out"))
    tokens -= sum(row.before.tokens_in + row.before.tokens_out for row in rows)
    return pa.table(
        {
            "rows": [table.num_rows],
            "left": [left],
            "stop": pa.array([stop and str(stop)], pa.string()),
            "stop_kind": pa.array([stop and type(stop).__name__], pa.string()),
            "tokens": [tokens],
            "statuses": pa.array([list(statuses.items())], pa.map_(pa.string(), pa.int64())),
        }
    )
