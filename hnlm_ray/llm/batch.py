"""Ray Data wiring of every LLM stage: buckets of rows -> chunks -> engine actors -> parts.

A bucket (a file of users, a range of items) is expanded into prompts by a task, cut into chunks of
``llm.batch_rows`` rows and streamed to a pool of engine actors. An actor writes each finished chunk
itself, so neither prompts nor answers pass through the driver, and a chunk that is written is never
done again. A chunk is named after its keys: a task that Ray repeats overwrites its own chunk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import queue
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.config import LLMConfig
from hnlm_ray.errors import HnlmError, StageError
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.engine import Outcome as RowOutcome
from hnlm_ray.llm.engine import Request, TextEngine, answer
from hnlm_ray.llm.models import model_identity, model_on_this_node
from hnlm_ray.llm.scripted_engine import ScriptedEngine
from hnlm_ray.stage import Outcome, StageRun, chunks_of
from hnlm_ray.workspace import Rows, TableStore, Tokens
from hnlm_ray.workspace.folder import named

Key = tuple[int, ...]
_DONE = ("ok", "none")
_LEAST_CHUNKS_IN_FLIGHT = 4


@dataclass(frozen=True)
class RowPrompt:
    """What to ask for one row of the output table."""

    key: Key
    messages: list[dict[str, str]]


@dataclass(frozen=True)
class LLMTask:
    """What an LLM stage asks: ``prompts(bucket)`` runs in a Ray task and reads the tables it needs."""

    table: str
    keys: tuple[str, ...]
    expected: AnswerFormat
    columns: Mapping[str, str]
    """Answer field -> column of the table."""
    max_tokens: int
    prompt_version: str
    buckets: int
    prompts: Callable[[int], list[RowPrompt]]


@dataclass(frozen=True)
class _Job:
    """All that a Ray task or actor needs to know, shipped once."""

    task: LLMTask
    llm: LLMConfig
    store: TableStore
    chunks: str
    final: str
    seed: int


@dataclass(frozen=True)
class BucketPlan:
    """How many rows of a bucket there are, and how many were finished earlier."""

    total: int
    done: int


def run_llm(run: StageRun, task: LLMTask) -> Outcome:
    """Ask the LLM for every row of a table that has no outcome yet, then publishable parts.

    Raises
    ------
    StageError
        When the engine gives no answer in time, or more rows fail than ``llm.max_failed_share`` allows.
    """
    job = _Job(
        task, run.config.llm, run.output(task.table), chunks_of(run.fingerprint), run.fingerprint, run.config.seed
    )
    shared = ray.put(job)
    plans: list[BucketPlan] = ray.get([_plan.remote(shared, bucket) for bucket in range(task.buckets)])
    total, done = sum(plan.total for plan in plans), sum(plan.done for plan in plans)
    run.progress.start(task.table, total, done)
    if done < total:
        todo = [bucket for bucket, plan in enumerate(plans) if plan.done < plan.total]
        for rows, tokens in _with_timeout(_generate(job, shared, todo), run.config.llm.start_timeout_s):
            run.progress.advance(rows, tokens)
    run.progress.finish()
    summaries = ray.get([_gather.remote(shared, bucket) for bucket in range(task.buckets)])
    return _outcome(run.config.llm, total, summaries)


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


def _bucket_parts(job: _Job, bucket: int, columns: list[str] | None = None) -> pa.Table:
    return job.store.read_parts(job.store.parts(job.chunks, _bucket_prefix(bucket)), columns)


def _done_keys(job: _Job, bucket: int) -> set[Key]:
    columns = list(job.task.keys)
    table = _bucket_parts(job, bucket, columns)
    return set(zip(*(table[name].to_pylist() for name in columns), strict=True))


@ray.remote(num_cpus=0.5)
def _plan(job: _Job, bucket: int) -> BucketPlan:
    _forget_engine_errors(job, bucket)
    prompts = job.task.prompts(bucket)
    done = _done_keys(job, bucket)
    return BucketPlan(len(prompts), sum(prompt.key in done for prompt in prompts))


def _forget_engine_errors(job: _Job, bucket: int) -> None:
    """Make rows that an earlier, unfinished run lost to a failing engine rows to do again."""
    for part in job.store.parts(job.chunks, _bucket_prefix(bucket)):
        rows = job.store.read_parts([part])
        kept = rows.filter(pc.not_equal(rows["status"], "engine_error"))
        if kept.num_rows < rows.num_rows:
            job.store.write_part(job.chunks, part.path.rsplit("/", 1)[1].removesuffix(".parquet"), kept)


def _chunks(job: _Job, bucket: int) -> Iterator[dict[str, Any]]:
    for chunk in cut_chunks(job.task.prompts(bucket), _done_keys(job, bucket), job.llm.batch_rows):
        rows = json.dumps([[list(prompt.key), prompt.messages] for prompt in chunk])
        yield {"name": chunk_name(bucket, [prompt.key for prompt in chunk]), "rows": rows}


def _generate(job: _Job, shared: ray.ObjectRef, buckets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stream chunks through the engines; yields (rows, tokens) as chunks are written."""
    from hnlm_ray.llm.vllm_engine import engine_environment

    llm = job.llm
    source = ray.data.from_items([{"bucket": bucket} for bucket in buckets], override_num_blocks=len(buckets))
    chunks = source.flat_map(lambda row: list(_chunks(ray.get(shared), row["bucket"])), num_cpus=0.5)
    in_flight = max(_LEAST_CHUNKS_IN_FLIGHT, -(-2 * llm.max_num_seqs // llm.batch_rows))
    written = chunks.repartition(target_num_rows_per_block=1).map_batches(
        _EngineWorker,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=llm.engines, max_tasks_in_flight_per_actor=2 * in_flight),
        ray_remote_args_fn=lambda: {"max_concurrency": in_flight},
        num_cpus=llm.cpus_per_engine,
        num_gpus=llm.gpus_per_engine,
        runtime_env={"env_vars": engine_environment(llm)},
    )
    for batch in written.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield sum(batch["rows"].to_pylist()), sum(batch["tokens"].to_pylist())


def open_engine(llm: LLMConfig, seed: int) -> TextEngine:
    """Start the engine of a configuration.

    Raises
    ------
    StageError
        When vLLM can't start: its own errors (of damaged weights: a MemoryError) don't say what to look at.
    """
    if llm.engine == "scripted":
        return ScriptedEngine(llm.scripted)
    from hnlm_ray.llm.vllm_engine import VLLMEngine

    try:
        return VLLMEngine(llm, model_on_this_node(llm.model), seed)
    except HnlmError:
        raise
    except Exception as error:
        raise StageError(
            f"vLLM can't start with llm.model '{llm.model}' ({named(error)}): check the checkpoint's files, llm.dtype, "
            "llm.max_model_len and the memory; the log has vLLM's own words"
        ) from error


class _EngineWorker:
    """A Ray Data actor around one engine."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._engine = open_engine(job.llm, job.seed)

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        """Answer the rows of each chunk together, write the chunk, and report its size."""
        for chunk in batch.to_pylist():
            rows = [(tuple(key), messages) for key, messages in json.loads(chunk["rows"])]
            outcomes = await asyncio.gather(*(self._answer(key, messages) for key, messages in rows))
            table = outcome_table(self._job, [key for key, _ in rows], outcomes)
            await asyncio.to_thread(self._job.store.write_part, self._job.chunks, chunk["name"], table)
            tokens = sum(outcome.tokens_in + outcome.tokens_out for outcome in outcomes)
            yield pa.table({"rows": [len(rows)], "tokens": [tokens]})

    async def _answer(self, key: Key, messages: list[dict[str, str]]) -> RowOutcome:
        request = Request("-".join(map(str, key)), messages, self._job.task.max_tokens)
        return await answer(self._engine, request, self._job.task.expected, self._job.llm.max_attempts)


def outcome_table(job: _Job, keys: Sequence[Key], outcomes: Sequence[RowOutcome]) -> pa.Table:
    """Arrange keys and outcomes as rows of the output table; fields of a failed row are null."""
    task = job.task
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


def llm_identity(llm: LLMConfig) -> str:
    """Return what tells one text-writing model from another."""
    return "scripted" if llm.engine == "scripted" else model_identity(llm.model)


@dataclass(frozen=True)
class _BucketSummary:
    rows: int
    by_status: Counter[str]
    tokens_in: int
    tokens_out: int


@ray.remote(num_cpus=0.5)
def _gather(job: _Job, bucket: int) -> _BucketSummary:
    """Write a bucket's chunks as one part, in key order, and count what they hold."""
    table = _bucket_parts(job, bucket).sort_by([(name, "ascending") for name in job.task.keys])
    keys = list(zip(*(table[name].to_pylist() for name in job.task.keys), strict=True))
    if len(set(keys)) != len(keys):
        raise StageError(f"table {job.task.table} has rows twice in bucket {bucket}: remove its folder and run again")
    job.store.write_part(job.final, f"part-{bucket:05}", table)
    tokens = [sum(table[name].to_pylist()) for name in ("tokens_in", "tokens_out")]
    return _BucketSummary(len(keys), Counter(table["status"].to_pylist()), *tokens)


def _outcome(llm: LLMConfig, total: int, summaries: Sequence[_BucketSummary]) -> Outcome:
    by_status: Counter[str] = sum((summary.by_status for summary in summaries), Counter())
    failed = {status: count for status, count in sorted(by_status.items()) if status not in _DONE}
    rows = sum(summary.rows for summary in summaries)
    if rows and sum(failed.values()) > llm.max_failed_share * rows:
        worst = max(failed, key=lambda status: failed[status])
        raise StageError(
            f"{sum(failed.values())} of {rows} rows failed, most as '{worst}' (allowed: llm.max_failed_share "
            f"{llm.max_failed_share:g}): mend the model, the prompt or the token limits"
        )
    return Outcome(
        rows=Rows(ok=by_status["ok"], none=by_status["none"], failed=sum(failed.values()), todo=total - rows),
        failed_by_reason=failed,
        tokens=Tokens(tokens_in=sum(s.tokens_in for s in summaries), tokens_out=sum(s.tokens_out for s in summaries)),
    )


def _with_timeout(results: Iterator[tuple[int, int]], seconds: float) -> Iterator[tuple[int, int]]:
    """Pass results on; give up when one takes longer than ``seconds`` (an engine that never starts)."""
    arrived: queue.Queue[tuple[int, int] | BaseException | None] = queue.Queue()

    def pull() -> None:
        try:
            for result in results:
                arrived.put(result)
            arrived.put(None)
        except BaseException as error:  # noqa: BLE001  it is raised again in the consuming thread
            arrived.put(error)

    threading.Thread(target=pull, daemon=True).start()
    while True:
        try:
            result = arrived.get(timeout=seconds)
        except queue.Empty:
            raise StageError(
                f"no answer from the LLM engine in {seconds:.0f} s: see the log, or raise llm.start_timeout_s"
            ) from None
        if isinstance(result, BaseException):
            raise result
        if result is None:
            return
        yield result
