"""One bucket of an LLM stage (a file of users or items): its chunks, what of it is done, its final part.

A chunk is named after its keys, so a task that Ray repeats overwrites its own chunk.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.errors import StageError
from hnlm_ray.llm.engine import Outcome
from hnlm_ray.llm.job import Key, LLMTask, RowJob, RowPrompt, llm_identity


@dataclass(frozen=True)
class BucketPlan:
    """How many rows of a bucket there are, and how many were finished earlier."""

    total: int
    done: int


def cut_chunks(prompts: Sequence[RowPrompt], done: set[Key], size: int) -> Iterator[list[RowPrompt]]:
    """Cut a bucket into chunks of at most ``size`` rows, in key order: rows with a common prefix are neighbours.

    Chunks are cut before the rows that are done are left out, so that a task which is repeated after some
    chunks were written yields the others unchanged.
    """
    ordered = sorted(prompts, key=lambda prompt: prompt.key)
    for start in range(0, len(ordered), size):
        todo = [prompt for prompt in ordered[start : start + size] if prompt.key not in done]
        if todo:
            yield todo


def chunk_name(bucket: int, keys: Sequence[Key]) -> str:
    """Name a chunk after its bucket and keys."""
    digest = hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:16]
    return f"{_bucket_prefix(bucket)}{digest}"


def _bucket_prefix(bucket: int) -> str:
    return f"b{bucket:05}-"


def _bucket_parts(job: RowJob, bucket: int, columns: list[str] | None = None) -> pa.Table:
    return job.store.read_parts(job.store.parts(job.chunks, _bucket_prefix(bucket)), columns)


def done_keys(job: RowJob, bucket: int) -> set[Key]:
    """Return the keys of a bucket that have an outcome."""
    columns = list(job.task.keys)
    table = _bucket_parts(job, bucket, columns)
    return set(zip(*(table[name].to_pylist() for name in columns), strict=True))


def plan_bucket(job: RowJob, bucket: int) -> BucketPlan:
    """Count a bucket's rows, and those that need not be asked again."""
    _forget_engine_errors(job, bucket)
    prompts = job.task.prompts(bucket)
    done = done_keys(job, bucket)
    return BucketPlan(len(prompts), sum(prompt.key in done for prompt in prompts))


def _forget_engine_errors(job: RowJob, bucket: int) -> None:
    """Make rows that an earlier, unfinished run lost to a failing engine rows to do again."""
    for part in job.store.parts(job.chunks, _bucket_prefix(bucket)):
        rows = job.store.read_parts([part])
        kept = rows.filter(pc.not_equal(rows["status"], "engine_error"))
        if kept.num_rows < rows.num_rows:
            job.store.write_part(job.chunks, part.path.rsplit("/", 1)[1].removesuffix(".parquet"), kept)


def bucket_chunks(job: RowJob, bucket: int) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a bucket that are still to do: a name, and rows as JSON."""
    for chunk in cut_chunks(job.task.prompts(bucket), done_keys(job, bucket), job.llm.batch_rows):
        rows = json.dumps([[list(prompt.key), prompt.content] for prompt in chunk])
        yield {"name": chunk_name(bucket, [prompt.key for prompt in chunk]), "rows": rows}


def outcome_table(job: RowJob, keys: Sequence[Key], outcomes: Sequence[Outcome]) -> pa.Table:
    """Arrange keys and outcomes as rows of the output table; fields of a failed row are null."""
    task = cast("LLMTask", job.task)
    columns: dict[str, list[Any]] = {name: [key[n] for key in keys] for n, name in enumerate(task.keys)}
    for answer_field, column in task.columns.items():
        columns[column] = [outcome.parsed.fields.get(answer_field) for outcome in outcomes]
    columns["status"] = [outcome.parsed.status for outcome in outcomes]
    columns["error"] = [outcome.parsed.error for outcome in outcomes]
    for name in ("attempts", "tokens_in", "tokens_out"):
        columns[name] = [getattr(outcome, name) for outcome in outcomes]
    columns["prompt_version"] = [task.prompt_version] * len(keys)
    columns["model"] = [llm_identity(job.llm)] * len(keys)
    return pa.table({name: columns[name] for name in job.store.schema.names}, schema=job.store.schema)


@dataclass(frozen=True)
class BucketSummary:
    """What a bucket's rows came to."""

    rows: int
    by_status: Counter[str]
    tokens_in: int
    tokens_out: int


def gather_bucket(job: RowJob, bucket: int) -> BucketSummary:
    """Write a bucket's chunks as one part, in key order, and count what they hold."""
    table = _bucket_parts(job, bucket).sort_by([(name, "ascending") for name in job.task.keys])
    keys = list(zip(*(table[name].to_pylist() for name in job.task.keys), strict=True))
    if len(set(keys)) != len(keys):
        raise StageError(f"table {job.task.table} has rows twice in bucket {bucket}: remove its folder and run again")
    job.store.write_part(job.final, f"part-{bucket:05}", table)
    tokens = [sum(table[name].to_pylist()) for name in ("tokens_in", "tokens_out")]
    return BucketSummary(len(keys), Counter(table["status"].to_pylist()), *tokens)
