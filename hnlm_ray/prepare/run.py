"""Stage: raw_interactions, raw_items -> interactions (one part a bucket of users), users, items."""

from __future__ import annotations

import pyarrow as pa
import ray

from hnlm_ray.prepare.split import check_held_out
from hnlm_ray.prepare.stage import prepare
from hnlm_ray.stage import Outcome, StageRun
from hnlm_ray.workspace import Rows, TableStore

ITEMS_PER_PART = 8192
"""Items in a file of the items table: the unit in which they are profiled."""


def prepare_tables(run: StageRun) -> Outcome:
    """Stream the raw rows through :func:`hnlm_ray.prepare.stage.prepare` and write its tables."""
    config, raw = run.config.prepare, run.workspace.table("raw_interactions")
    run.progress.start("prepare", config.buckets, unit="buckets")
    raw_rows = ray.data.read_parquet(raw.paths(), filesystem=raw.filesystem)
    prepared = prepare(raw_rows, run.workspace.table("raw_items").read(), config, run.config.seed)
    check_held_out(prepared.counts, config.split)
    written = 0
    store = run.output("interactions")
    for writing in [_write.remote(store, run.fingerprint, bucket, rows) for bucket, rows in prepared.buckets]:
        written += ray.get(writing)
        run.progress.advance()
    run.output("users").write_part(run.fingerprint, "part-00000", prepared.users)
    for part, start in enumerate(range(0, prepared.items.num_rows, ITEMS_PER_PART)):
        rows = prepared.items.slice(start, ITEMS_PER_PART)
        run.output("items").write_part(run.fingerprint, f"part-{part:05}", rows)
    run.progress.finish()
    return Outcome(rows=Rows(ok=written), counts=dict(prepared.counts))


@ray.remote(num_cpus=0.5)
def _write(store: TableStore, fingerprint: str, bucket: int, rows: pa.Table) -> int:
    """Write a bucket where its rows are: interactions don't pass through the driver."""
    return store.write_part(fingerprint, f"part-{bucket:05}", rows).rows
