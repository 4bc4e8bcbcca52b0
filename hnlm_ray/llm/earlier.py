"""Outcomes that count no more: rows of a bucket that are asked again, and what they took before.

A row to ask again moves from the chunks of a stage to a folder beside them, so what it took is not forgotten. A retry
of a published table starts with chunks that hold what it keeps: the table itself stays as it is until the end.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.fingerprint import fingerprint_of
from hnlm_ray.llm.job import Key, RowJob, Spent
from hnlm_ray.llm.journal import bucket_prefix, chunk_name

_LOST = "engine_error"
_SPENT = ("attempts", "tokens_in", "tokens_out")


def set_aside(job: RowJob, bucket: int) -> None:
    """Make rows to do of those that an unfinished run lost to a failing engine, and of those that a retry is about.

    It may be stopped at any point and called again.
    """
    again = {_LOST}
    if job.retry is not None and job.retry.of:
        _take_over(job, bucket, job.retry.of, job.retry.statuses)
    elif job.retry is not None:
        again |= set(job.retry.statuses)
    for part in job.store.parts(job.chunks, bucket_prefix(bucket)):
        name = part.path.rsplit("/", 1)[1].removesuffix(".parquet")
        if name != _kept(bucket):
            _move(job, bucket, name, job.store.read_parts([part]), again)


def _take_over(job: RowJob, bucket: int, published: str, again: Collection[str]) -> None:
    """Write a bucket of the published table as the first chunk, without the rows to ask again."""
    if job.store.has_part(job.chunks, _kept(bucket)):
        return
    rows = job.store.read_parts(job.store.parts(published, f"part-{bucket:05}"))
    failed, kept = _split(rows, again)
    job.store.write_part(_folder(job), _kept(bucket), failed)
    job.store.write_part(job.chunks, _kept(bucket), kept)


def _move(job: RowJob, bucket: int, name: str, rows: pa.Table, again: Collection[str]) -> None:
    failed, kept = _split(rows, again)
    if not failed.num_rows:
        return
    job.store.write_part(_folder(job), chunk_name(bucket, _keys(job, failed)), failed)
    if kept.num_rows:
        job.store.write_part(job.chunks, name, kept)
    else:  # the same rows, asked again together, have the same name
        job.store.remove_part(job.chunks, name)


def _split(rows: pa.Table, again: Collection[str]) -> tuple[pa.Table, pa.Table]:
    failed = pc.is_in(rows["status"], pa.array(sorted(again)))
    return rows.filter(failed), rows.filter(pc.invert(failed))


def _kept(bucket: int) -> str:
    return f"{bucket_prefix(bucket)}kept"


def _folder(job: RowJob) -> str:
    return fingerprint_of({"earlier outcomes of": job.chunks})


def spent_before(job: RowJob, bucket: int) -> dict[Key, Spent]:
    """Return what rows took whose outcomes were set aside: each outcome holds what those before it took as well."""
    rows = job.store.read_parts(job.store.parts(_folder(job), bucket_prefix(bucket)), [*job.task.keys, *_SPENT])
    rows = rows.sort_by([("attempts", "ascending")])
    spent = zip(*(rows[name].to_pylist() for name in _SPENT), strict=True)
    return {key: Spent(*taken) for key, taken in zip(_keys(job, rows), spent, strict=True)}


def _keys(job: RowJob, rows: pa.Table) -> list[Key]:
    return list(zip(*(rows[name].to_pylist() for name in job.task.keys), strict=True))
