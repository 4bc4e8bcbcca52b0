"""One bucket of an LLM stage (a file of users or items): its chunks, what of it is done, its final part.

Outcomes that count no more: rows of a bucket that are asked again, and what they took before.

A row to ask again moves from the chunks of a stage to a folder beside them, so what it took is not forgotten. A retry
of a published table starts with chunks that hold what it keeps: the table itself stays as it is until the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.llm.rows.job import NOTHING, Key, LLMTask, RowJob, RowPrompt, RowTask, Spent
from hnlm_ray.llm.rows.journal import Journal, chunk_name
from hnlm_ray.llm.rows.quality import TextSample, key_hashes, lowest, sampled
from hnlm_ray.llm.text.objects import REPAIRED
from hnlm_ray.workspace import ChunkedTable, TableFile
from hnlm_ray.workspace.chunks import bucket_prefix

_LOST = "engine_error"
_SPENT = ("attempts", "tokens_in", "tokens_out")


def set_aside(job: RowJob[RowTask], bucket: int) -> None:
    """Make rows to do of those that an unfinished run lost to a failing engine, and of those that a retry is about.

    It may be stopped at any point and called again.
    """
    again = {_LOST}
    if job.retry is not None and job.retry.of:
        _take_over(job.table, bucket, job.retry.of, job.retry.statuses)
    elif job.retry is not None:
        again |= set(job.retry.statuses)
    for name, chunk in job.table.written(bucket).items():
        if name != _kept(bucket):
            _move(job.table, bucket, name, job.table.read([chunk]), again)


def _take_over(table: ChunkedTable, bucket: int, published: str, again: Collection[str]) -> None:
    """Write a bucket of the published table as the first chunk, without the rows to ask again."""
    if table.has(_kept(bucket)):
        return
    rows = table.store.read_parts(table.store.parts(published, f"part-{bucket:05}"))
    failed, kept = _split(rows, again)
    _aside(table).write(_kept(bucket), failed)
    table.write(_kept(bucket), kept)


def _move(table: ChunkedTable, bucket: int, name: str, rows: pa.Table, again: Collection[str]) -> None:
    failed, kept = _split(rows, again)
    if not failed.num_rows:
        return
    _aside(table).write(chunk_name(bucket, table.keys_of(failed)), failed)
    if kept.num_rows:
        table.write(name, kept)
    else:  # the same rows, asked again together, have the same name
        table.remove(name)


def _split(rows: pa.Table, again: Collection[str]) -> tuple[pa.Table, pa.Table]:
    failed = pc.is_in(rows["status"], pa.array(sorted(again)))
    return rows.filter(failed), rows.filter(pc.invert(failed))


def _kept(bucket: int) -> str:
    return f"{bucket_prefix(bucket)}kept"


def _aside(table: ChunkedTable) -> ChunkedTable:
    """Return the chunks of outcomes that count no more."""
    return replace(table, chunks=fingerprint_of({"earlier outcomes of": table.chunks}))


def spent_before(job: RowJob[RowTask], bucket: int) -> dict[Key, Spent]:
    """Return what rows took whose outcomes were set aside: each outcome holds what those before it took as well."""
    aside = _aside(job.table)
    rows = aside.read(aside.written(bucket).values(), [*aside.keys, *_SPENT]).sort_by([("attempts", "ascending")])
    spent = zip(*(rows[name].to_pylist() for name in _SPENT), strict=True)
    return {key: Spent(*taken) for key, taken in zip(aside.keys_of(rows), spent, strict=True)}


@dataclass(frozen=True)
class BucketPlan:
    """How many rows of a bucket there are, how many were finished earlier, and the tokens that all took so far."""

    total: int
    done: int
    tokens_in: int
    tokens_out: int


class Snapshot(BaseModel):
    """The parts of a bucket when a run began: a task that Ray repeats must cut the same chunks as the first time."""

    model_config = ConfigDict(extra="ignore")

    parts: tuple[TableFile, ...] = ()


def cut_chunks(prompts: Sequence[RowPrompt], done: set[Key], size: int) -> Iterator[list[RowPrompt]]:
    """Cut the rows of a bucket that are not done into chunks of at most ``size``.

    They are in key order: rows with a common prefix are neighbours.
    """
    todo = sorted((prompt for prompt in prompts if prompt.key not in done), key=lambda prompt: prompt.key)
    for start in range(0, len(todo), size):
        yield todo[start : start + size]


def plan_bucket(job: RowJob[RowTask], bucket: int) -> BucketPlan:
    """Count a bucket's rows, and those that need not be asked again; remember which parts there are."""
    set_aside(job, bucket)
    table = job.table
    Journal(table, bucket).forget_the_shared()
    parts = tuple(table.written(bucket).values())
    table.write_note(_snapshot(bucket), Snapshot(parts=parts).model_dump_json())
    prompts = job.task.prompts(bucket)
    done = table.read(parts, [*table.keys, "tokens_in", "tokens_out"])
    keys = set(table.keys_of(done))
    earlier = [spent for key, spent in spent_before(job, bucket).items() if key not in keys]
    tokens_in, tokens_out = (pc.sum(done[name]).as_py() or 0 for name in ("tokens_in", "tokens_out"))
    tokens_in += sum(spent.tokens_in for spent in earlier)
    tokens_out += sum(spent.tokens_out for spent in earlier)
    return BucketPlan(len(prompts), sum(prompt.key in keys for prompt in prompts), tokens_in, tokens_out)


def _snapshot(bucket: int) -> str:
    return f"{bucket_prefix(bucket)}snapshot.json"


def done_at_start(table: ChunkedTable, bucket: int) -> set[Key]:
    """Return the keys of a bucket that had an outcome when the run began."""
    try:
        snapshot = Snapshot.model_validate_json(table.read_note(_snapshot(bucket)))
    except ValidationError as error:
        path = table.note_path(_snapshot(bucket))
        raise StageError(f"{path} is damaged: remove that file and run the same command again") from error
    return set(table.keys_of(table.read(snapshot.parts, list(table.keys))))


def bucket_chunks(job: RowJob[RowTask], bucket: int) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a bucket that were to do when the run began: its number, and rows as JSON."""
    before = spent_before(job, bucket)
    for chunk in cut_chunks(job.task.prompts(bucket), done_at_start(job.table, bucket), job.llm.batch_rows):
        spent = [astuple(before.get(prompt.key, NOTHING)) for prompt in chunk]
        rows = [
            [row.key, row.content, row.cut, row.defused, took, row.beside]
            for row, took in zip(chunk, spent, strict=True)
        ]
        yield {"bucket": bucket, "rows": json.dumps(rows)}


def chunk_rows(text: str) -> list[RowPrompt]:
    """Read the rows of a chunk again."""
    rows = json.loads(text)
    return [
        RowPrompt(tuple(key), content, cut, defused, Spent(*took), beside)
        for key, content, cut, defused, took, beside in rows
    ]


@dataclass(frozen=True)
class BucketSummary:
    """What a bucket's rows came to; summaries of buckets add up."""

    rows: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    prompts_cut: int = 0
    prompts_defused: int = 0
    answers_repaired: int = 0
    texts: TextSample = field(default_factory=TextSample)

    def plus(self, other: BucketSummary) -> BucketSummary:
        """Return what the rows of both came to."""
        return BucketSummary(
            self.rows + other.rows,
            self.by_status + other.by_status,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.prompts_cut + other.prompts_cut,
            self.prompts_defused + other.prompts_defused,
            self.answers_repaired + other.answers_repaired,
            self.texts.merged(other.texts),
        )


def gather_bucket(job: RowJob[RowTask], bucket: int) -> BucketSummary:
    """Write a bucket's chunks as one part, in key order, and count what they hold."""
    rows = job.table.sorted_rows(bucket)
    if len(set(job.table.keys_of(rows))) != rows.num_rows:
        raise StageError(f"table {job.task.table} has rows twice in bucket {bucket}: remove its folder and run again")
    job.table.write_final(rows, bucket)
    return summary_of(job.task, rows)


def summary_of(task: RowTask, table: pa.Table) -> BucketSummary:
    """Count what rows of a stage's table hold, and sample their texts where it has some."""
    return BucketSummary(
        rows=table.num_rows,
        by_status=Counter(table["status"].to_pylist()),
        tokens_in=_sum(table["tokens_in"]),
        tokens_out=_sum(table["tokens_out"]),
        prompts_cut=_sum(pc.greater(table["prompt_cut"], 0)),
        prompts_defused=_sum(table["prompt_defused"]),
        answers_repaired=_sum(pc.fill_null(pc.equal(table["error"], REPAIRED), False)),  # noqa: FBT003  Arrow's
        texts=_texts(task, table) if isinstance(task, LLMTask) else TextSample(),
    )


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column).as_py() or 0)


def _texts(task: LLMTask, table: pa.Table) -> TextSample:
    written = table.filter(pc.equal(table["status"], "ok"))
    hashes = key_hashes([written[name].to_numpy() for name in task.keys])
    places = lowest(hashes)
    texts = written[task.columns[task.expected.deciding]].take(pa.array(places))
    return sampled(hashes[places], [task.expected.text_of(text) for text in texts.to_pylist()])
