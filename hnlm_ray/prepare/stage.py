"""Stage: raw_interactions, raw_items -> interactions and reviews (one part a bucket of users), users, items."""

from __future__ import annotations

from hnlm_ray.prepare import tasks
from hnlm_ray.prepare.index import RawItems
from hnlm_ray.prepare.split import check_held_out
from hnlm_ray.prepare.steps import Prepared, prepare
from hnlm_ray.prepare.tasks import PHASES, STEPS, Workers, a_task_a_core, raw_parts
from hnlm_ray.workspace import Rows, TableStore
from hnlm_ray.workspace.stage import Outcome, StageRun

ITEMS_PER_PART = 8192
"""Items in a file of the items table: the unit in which they are profiled."""


def prepare_tables(run: StageRun) -> Outcome:
    """Take the raw rows through :func:`hnlm_ray.prepare.steps.prepare` and write its tables."""
    config, parts = run.config.prepare, raw_parts(run.workspace.table("raw_interactions"))
    run.progress.start("prepare", PHASES * STEPS, unit="steps")
    workers = Workers(a_task_a_core(), run.progress.advance)
    prepared = prepare(parts, _raw_items(run.workspace.table("raw_items")), config, run.config.seed, workers)
    check_held_out(prepared.counts, config.split)
    run.output("users").write_part(run.fingerprint, "part-00000", prepared.users)
    for part, start in enumerate(range(0, prepared.items.num_rows, ITEMS_PER_PART)):
        rows = prepared.items.slice(start, ITEMS_PER_PART)
        run.output("items").write_part(run.fingerprint, f"part-{part:05}", rows)
    written = _write_buckets(run, prepared, workers)
    run.progress.finish()
    return Outcome(rows=Rows(ok=written), counts=dict(prepared.counts))


def _raw_items(store: TableStore) -> RawItems:
    ids = store.read(["item_id"])["item_id"]
    return RawItems(ids, (store.read_parts([file]) for file in store.published().files))


def _write_buckets(run: StageRun, prepared: Prepared, workers: Workers) -> int:
    """Write both parts of each bucket on the workers; return the number of interactions."""
    stores, writing = (run.output("interactions"), run.output("reviews")), []
    while prepared.buckets:
        bucket, pieces = prepared.buckets.pop(0)
        writing.append(workers.submit(tasks.write, *stores, run.fingerprint, f"part-{bucket:05}", *pieces))
    return sum(workers.phase(writing))
