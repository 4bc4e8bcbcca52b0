"""Stage: raw_interactions, raw_items -> interactions and reviews (one part a bucket of users), users, items."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from hnlm_ray.prepare.filter import REVIEW
from hnlm_ray.prepare.split import check_held_out
from hnlm_ray.prepare.stage import Prepared, prepare
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.workspace import Rows, TableStore

ITEMS_PER_PART = 8192
"""Items in a file of the items table: the unit in which they are profiled."""


def prepare_tables(run: StageRun) -> Outcome:
    """Stream the raw rows through :func:`hnlm_ray.prepare.stage.prepare` and write its tables."""
    config, raw = run.config.prepare, run.workspace.table("raw_interactions")
    run.progress.start("prepare", config.buckets, unit="buckets")
    raw_rows = ray.data.read_parquet(raw.paths(), filesystem=raw.filesystem, columns=_columns(raw))
    prepared = prepare(raw_rows, run.workspace.table("raw_items").read(), config, run.config.seed)
    check_held_out(prepared.counts, config.split)
    written = _write_buckets(run, prepared)
    run.output("users").write_part(run.fingerprint, "part-00000", prepared.users)
    for part, start in enumerate(range(0, prepared.items.num_rows, ITEMS_PER_PART)):
        rows = prepared.items.slice(start, ITEMS_PER_PART)
        run.output("items").write_part(run.fingerprint, f"part-{part:05}", rows)
    run.progress.finish()
    return Outcome(rows=Rows(ok=written), counts=dict(prepared.counts))


def _columns(raw: TableStore) -> list[str]:
    """Return the columns to read: reviews only where some row has one, as the files' statistics tell."""
    names: list[str] = raw.schema.names
    return names if any(_has_reviews(path, raw) for path in raw.paths()) else [n for n in names if n != REVIEW]


def _has_reviews(path: str, raw: TableStore) -> bool:
    metadata = pq.read_metadata(path, filesystem=raw.filesystem)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    column = metadata.schema.names.index(REVIEW)
    statistics = [group.column(column).statistics for group in groups]
    return any(s is None or s.null_count < g.num_rows for s, g in zip(statistics, groups, strict=True))


def _write_buckets(run: StageRun, prepared: Prepared) -> int:
    """Write both parts of each bucket; return the number of interactions."""
    stores = run.output("interactions"), run.output("reviews")
    written = 0
    for writing in [_write.remote(*stores, run.fingerprint, *bucket) for bucket in prepared.buckets]:
        written += ray.get(writing)
        run.progress.advance()
    return written


@ray.remote(num_cpus=0.5)
def _write(  # noqa: PLR0917 - what each bucket has
    rows_to: TableStore, reviews_to: TableStore, fingerprint: str, bucket: int, rows: pa.Table, reviews: pa.Table
) -> int:
    """Write a bucket where its rows are: interactions don't pass through the driver."""
    reviews_to.write_part(fingerprint, f"part-{bucket:05}", reviews)
    return rows_to.write_part(fingerprint, f"part-{bucket:05}", rows).rows
