"""Outcomes that count no more: rows of a bucket that are asked again, and what they took before.

A row to ask again moves from the chunks of a stage to a folder beside them, so what it took is not forgotten. A retry
of a published table starts with chunks that hold what it keeps: the table itself stays as it is until the end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.fingerprint import fingerprint_of
from hnlm_ray.llm.rows.job import Key, RowJob, RowTask, Spent
from hnlm_ray.llm.rows.journal import chunk_name
from hnlm_ray.workspace import ChunkedTable
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
