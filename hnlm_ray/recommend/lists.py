"""Stage: model_users, model_items, interactions -> recommendations (one part a bucket of users).

Chunks of users are ranked on Ray Data; a worker writes its chunk itself, so lists don't pass through the driver, and
a chunk that is written is never done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import ray

from hnlm_ray.recommend.chunks import (
    USERS_PER_CHUNK,
    Chunk,
    ListJob,
    ListPlan,
    gather_lists,
    plan_lists,
    rank_chunk,
)
from hnlm_ray.recommend.model_tables import read_items
from hnlm_ray.workspace import Rows
from hnlm_ray.workspace.stage import Outcome, StageRun

_plan = ray.remote(num_cpus=0.5)(plan_lists)
_gather = ray.remote(num_cpus=0.5)(gather_lists)
_load = ray.remote(num_cpus=0.5)(read_items)


def recommend_to_all(run: StageRun) -> Outcome:
    """Give each user the ``recommend.k`` best items that the user has not seen and that are not cold."""
    job = _job(run)
    buckets = range(len(run.workspace.table("model_users").published().files))
    plans: list[ListPlan] = ray.get([_plan.remote(job, bucket) for bucket in buckets])
    total, done = (sum(plan.rows(done=done) for plan in plans) for done in (False, True))
    run.progress.start("recommendations", total, done)
    for rows in _ranked(job, [chunk for plan in plans for chunk in plan.todo]):
        run.progress.advance(rows)
    run.progress.finish()
    written = ray.get([_gather.remote(job, bucket, plan.chunks) for bucket, plan in enumerate(plans)])
    model = run.workspace.table("model_items").published().counts
    return Outcome(
        Rows(ok=sum(written), todo=total - sum(written)),
        counts={
            "users": sum(file.rows for file in run.workspace.table("model_users").published().files),
            "short_lists": sum(plan.short for plan in plans),
            "cold_items": model["cold_items"],
        },
    )


def _job(run: StageRun) -> ListJob:
    settings = run.config.tune
    return ListJob(
        run.workspace,
        run.chunked("recommendations"),
        k=run.config.recommend.k,
        all_seen=run.config.recommend.train_on == "all",
        cpus=settings.cpus_per_trial,
        gpus=settings.gpus_per_trial,
        users_per_chunk=USERS_PER_CHUNK,
    )


def _ranked(job: ListJob, todo: Sequence[Chunk]) -> Iterator[int]:
    """Rank chunks on all workers; yields their rows as they are written."""
    if not todo:
        return
    items = _load.remote(job.workspace)

    def ranked(row: dict[str, int]) -> dict[str, int]:
        return {"rows": rank_chunk(job, ray.get(items), Chunk(**row))}

    source = ray.data.from_items([asdict(chunk) for chunk in todo], override_num_blocks=len(todo))
    written = source.map(ranked, num_cpus=job.cpus, num_gpus=job.gpus)
    for batch in written.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield sum(batch["rows"].to_pylist())
