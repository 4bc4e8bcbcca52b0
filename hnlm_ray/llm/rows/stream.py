"""Ray Data wiring of every LLM stage: buckets of rows -> chunks -> engine actors -> parts.

A bucket (a file of users or items) is expanded into prompts by a task, cut into chunks of
``llm.batch_rows`` rows and streamed to a pool of engine actors. An actor writes each finished chunk
itself, so neither prompts nor answers pass through the driver, and a chunk that is written is never
done again.

How many rows an engine has at hand, and in how many tasks of Ray.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeVar

import ray

from hnlm_ray.base.errors import HnlmError, StageError
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines import engine_kind
from hnlm_ray.llm.rows.attempts import ChunkReport
from hnlm_ray.llm.rows.buckets import BucketPlan, BucketSummary, bucket_chunks, gather_bucket, plan_bucket
from hnlm_ray.llm.rows.budget import open_ledger
from hnlm_ray.llm.rows.failures import first_rows, remedy_of
from hnlm_ray.llm.rows.job import LLMTask, RowJob, RowTask, RowWorker
from hnlm_ray.llm.rows.quality import Figures, text_figures
from hnlm_ray.llm.rows.worker import EngineWorker
from hnlm_ray.workspace import Rows, Tokens
from hnlm_ray.workspace.stage import Outcome, StageRun

_LEAST_CHUNKS_IN_FLIGHT = 4
_LEAST_TASKS_PER_ENGINE = 8
_QUEUED = 2
"""Tasks that are with an actor, for each that it works on."""
_BYTES_PER_ROW, _LEAST_BYTES = 2**15, 2**23


@dataclass(frozen=True)
class Flow:
    """How many tasks an engine has at a time, and how many chunks each of them holds."""

    tasks: int
    chunks: int

    @property
    def with_an_actor(self) -> int:
        """Tasks that an actor works on or will begin next."""
        return _QUEUED * self.tasks

    def bytes_ahead(self, llm: LLMConfig) -> int:
        """Bound the prompts that are made ahead of the engines: small blocks lie in the driver's own memory.

        It is what all actors have with them, at far more bytes a row than prompts have.
        """
        rows = llm.engines * self.with_an_actor * self.chunks * llm.batch_rows
        return _LEAST_BYTES + _BYTES_PER_ROW * rows


def flow_of(llm: LLMConfig, rows: int) -> Flow:
    """Give an engine twice the rows that it asks for at a time, in few tasks: each costs Ray 10 ms.

    Where ``rows`` are few, tasks are small, so that engines end together.
    """
    in_flight = max(_LEAST_CHUNKS_IN_FLIGHT, -(-2 * engine_kind(llm).at_once(llm) // llm.batch_rows))
    share = rows // (llm.batch_rows * llm.engines * _LEAST_TASKS_PER_ENGINE)
    chunks = max(1, min(in_flight // 2, share))
    return Flow(tasks=-(-in_flight // chunks), chunks=chunks)


Task = TypeVar("Task", bound=RowTask)
Result = TypeVar("Result")
_DONE = ("ok", "none")
_DRAIN_S = 5.0
_plan = ray.remote(num_cpus=0.5)(plan_bucket)
_gather = ray.remote(num_cpus=0.5)(gather_bucket)


def run_llm(run: StageRun, task: LLMTask) -> Outcome:
    """Ask the LLM for every row of a table that has no outcome yet; see :func:`run_rows`."""
    llm = run.config.llm
    return run_rows(run, task, EngineWorker, engine_kind(llm).environment(llm))


def run_rows(
    run: StageRun, task: Task, worker: Callable[[RowJob[Task]], RowWorker], environment: Mapping[str, str]
) -> Outcome:
    """Ask ``worker`` for every row of a table that has no outcome yet, then write publishable parts.

    ``worker`` is the class of the engine actors (:class:`hnlm_ray.llm.rows.job.RowWorker`); ``environment``: variables
    of the actors' processes.

    Raises
    ------
    StageError
        When the engine gives no answer in time, or more rows fail than ``llm.max_failed_share`` allows.
    """
    job = RowJob(task, run.config, run.workspace, run.chunked(task.table), retry=run.retry, environment=environment)
    plans = _plans(job)
    total, done = sum(plan.total for plan in plans), sum(plan.done for plan in plans)
    run.progress.start(task.table, total, done)
    if done < total:
        before = [run.spent, *((plan.tokens_in, plan.tokens_out) for plan in plans)]
        spent = sum(one[0] for one in before), sum(one[1] for one in before)
        first = first_rows(job.llm.max_failed_share, total, total - done)
        _answer(run, replace(job, ledger=open_ledger(job.llm, spent), first_rows=first), plans, worker)
    run.progress.finish()
    shared = ray.put(job)
    # One after the other: each has a sample of texts.
    summaries = (ray.get(found) for found in [_gather.remote(shared, bucket) for bucket in range(task.buckets)])
    outcome = _outcome(job, total, summary := reduce(BucketSummary.plus, summaries, BucketSummary()))
    return replace(outcome, counts=_text_counts(summary)) if isinstance(task, LLMTask) else outcome


def _plans(job: RowJob[RowTask]) -> list[BucketPlan]:
    shared = ray.put(job)
    plans: list[BucketPlan] = ray.get([_plan.remote(shared, bucket) for bucket in range(job.task.buckets)])
    return plans


def _answer(
    run: StageRun, job: RowJob[Task], plans: Sequence[BucketPlan], worker: Callable[[RowJob[Task]], RowWorker]
) -> None:
    """Have what is to do done.

    Raises
    ------
    StageError
        When ``llm.budget`` does not allow all of it; what was paid for is kept.
    HnlmError
        When an engine can answer nothing more: its server is gone, refuses the key, ...
    """
    todo = [bucket for bucket, plan in enumerate(plans) if plan.done < plan.total]
    stop: HnlmError | None = None
    left, until = 0, math.inf
    flow = flow_of(job.llm, sum(plan.total - plan.done for plan in plans))
    for report in _with_timeout(_answered(job, todo, worker, flow), job.llm.start_timeout_s):
        run.progress.advance(report.rows, report.tokens, report.statuses)
        left += report.left
        if stop is None and report.stop is not None:
            # what is in flight elsewhere is written first
            stop, until = report.stop, time.monotonic() + _DRAIN_S
        if time.monotonic() > until:
            break
    if stop is not None:
        raise stop
    if left:
        limits = {name: value for name, value in job.llm.budget.model_dump().items() if value is not None}
        told = " and ".join(f"llm.budget.{name} {value:g}" for name, value in limits.items())
        raise StageError(f"{told} is spent and {left} rows are left: raise it, and the same command goes on")


def _answered(
    job: RowJob[Task], buckets: Sequence[int], worker: Callable[[RowJob[Task]], RowWorker], flow: Flow
) -> Iterator[ChunkReport]:
    """Stream chunks through the engines; yields what was written of each."""
    llm, shared = job.llm, ray.put(job)
    source = ray.data.from_items([{"bucket": bucket} for bucket in buckets], override_num_blocks=len(buckets))
    limits = ray.data.ExecutionResources.for_limits(object_store_memory=flow.bytes_ahead(llm))
    source.context.execution_options.resource_limits = limits
    chunks = source.flat_map(lambda row: list(bucket_chunks(ray.get(shared), row["bucket"])), num_cpus=0.5)
    written = chunks.repartition(target_num_rows_per_block=flow.chunks).map_batches(
        worker,
        fn_constructor_args=(job,),
        batch_size=flow.chunks,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=llm.engines, max_tasks_in_flight_per_actor=flow.with_an_actor),
        ray_remote_args_fn=lambda: {"max_concurrency": flow.tasks},
        num_cpus=llm.cpus_per_engine,
        num_gpus=llm.gpus_per_engine,
        runtime_env={"env_vars": dict(job.environment)},
    )
    for batch in written.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from ChunkReport.from_arrow(batch)


def _outcome(job: RowJob[RowTask], total: int, summary: BucketSummary) -> Outcome:
    allowed = job.llm.max_failed_share
    failed = {status: count for status, count in sorted(summary.by_status.items()) if status not in _DONE}
    if summary.rows and sum(failed.values()) > allowed * summary.rows:
        worst = max(failed, key=lambda status: failed[status])
        raise StageError(
            f"{sum(failed.values())} of {summary.rows} rows failed, most as '{worst}' (allowed: llm.max_failed_share "
            f"{allowed:g}): `hnlm failures` tells why; {remedy_of(worst, job)}"
        )
    ok, none = (summary.by_status[status] for status in _DONE)
    return Outcome(
        rows=Rows(ok=ok, none=none, failed=sum(failed.values()), todo=total - summary.rows),
        failed_by_reason=failed,
        tokens=Tokens(tokens_in=summary.tokens_in, tokens_out=summary.tokens_out),
    )


def _text_counts(summary: BucketSummary) -> Figures:
    valid = {"valid_share": round(summary.by_status["ok"] / summary.rows, 4)} if summary.rows else {}
    counted = {"prompts_cut": summary.prompts_cut, "prompts_defused": summary.prompts_defused}
    repaired = {"answers_repaired": summary.answers_repaired} if summary.answers_repaired else {}
    return {**valid, **repaired, **text_figures(summary.texts), **counted}


def _with_timeout(results: Iterator[Result], seconds: float) -> Iterator[Result]:
    """Pass results on; give up when one takes longer than ``seconds`` (an engine that never starts)."""
    arrived: queue.Queue[Result | BaseException | None] = queue.Queue()

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
