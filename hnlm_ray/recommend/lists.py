"""Stage: model_users, model_items, interactions -> recommendations (one part a bucket of users).

Chunks of users are ranked on Ray Data; a worker writes its chunk itself, so lists don't pass through the driver, and
a chunk that is written is never done again.

A bucket of users cut into chunks: how many rows each will have, what is done, how one is ranked and gathered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import ray

from hnlm_ray.base.errors import StageError
from hnlm_ray.recommend.model_tables import Ints, ModelRows, read_bucket, read_items, seen_pairs
from hnlm_ray.recommend.ranking import Catalogue, list_lengths, recommendation_rows
from hnlm_ray.workspace import ChunkedTable, Rows, Workspace
from hnlm_ray.workspace.chunks import bucket_prefix
from hnlm_ray.workspace.stage import Outcome, StageRun

USERS_PER_CHUNK: Final = 8192
"""What a killed run loses at most for each worker."""


@dataclass(frozen=True)
class ListJob:
    """All that a Ray task needs to know, shipped once."""

    workspace: Workspace
    table: ChunkedTable
    k: int
    all_seen: bool
    """False: held-out positives are not masked, for the model has not been trained on them."""
    cpus: float
    gpus: float
    users_per_chunk: int = USERS_PER_CHUNK
    keeps_seen: bool = False
    """True: nothing is masked."""


@dataclass(frozen=True)
class Chunk:
    """Users ``start`` to ``stop`` of a bucket, in its order; ``rows``: of their lists together."""

    bucket: int
    start: int
    stop: int
    rows: int

    @property
    def name(self) -> str:
        """The name of its part: a task that Ray repeats overwrites its own."""
        return f"{bucket_prefix(self.bucket)}{self.start:010}-{self.stop:010}"


@dataclass(frozen=True)
class ListPlan:
    """The chunks of a bucket, those that are done, and its users whose list is shorter than k."""

    chunks: tuple[Chunk, ...]
    done: frozenset[str]
    short: int

    def rows(self, *, done: bool) -> int:
        """Return how many rows all chunks have, or those that are done."""
        return sum(chunk.rows for chunk in self.chunks if not done or chunk.name in self.done)

    @property
    def todo(self) -> list[Chunk]:
        """The chunks that are still to do."""
        return [chunk for chunk in self.chunks if chunk.name not in self.done]


def plan_lists(job: ListJob, bucket: int) -> ListPlan:
    """Cut a bucket into chunks, and find those that an earlier run finished."""
    users = job.workspace.table("model_users").read_file(bucket, ["user"])["user"].to_numpy().astype(np.int64)
    cold = read_cold(job.workspace)
    row, item = _masked_pairs(job, bucket, users)
    seen = np.bincount(row[~cold[item]], minlength=len(users))
    lengths = list_lengths(seen, int((~cold).sum()), job.k)
    starts = range(0, len(users), job.users_per_chunk)
    stops = [min(start + job.users_per_chunk, len(users)) for start in starts]
    cut = tuple(Chunk(bucket, a, b, int(lengths[a:b].sum())) for a, b in zip(starts, stops, strict=True))
    return ListPlan(cut, _whole(job, bucket, cut), int((lengths < job.k).sum()))


def _masked_pairs(job: ListJob, bucket: int, users: Ints) -> tuple[Ints, Ints]:
    """Return (row, item) of what is not to be in the lists of some users of a bucket."""
    if job.keeps_seen:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return seen_pairs(job.workspace, bucket, users, all_seen=job.all_seen)


def read_cold(workspace: Workspace) -> npt.NDArray[np.bool_]:
    """Return which items are cold, bool[items]."""
    rows = workspace.table("model_items").read(["item", "positives"]).sort_by("item")
    cold: npt.NDArray[np.bool_] = rows["positives"].to_numpy() == 0
    return cold


def _whole(job: ListJob, bucket: int, chunks: Sequence[Chunk]) -> frozenset[str]:
    rows = {name: file.rows for name, file in job.table.written(bucket).items()}
    return frozenset(chunk.name for chunk in chunks if rows.get(chunk.name) == chunk.rows)


def rank_chunk(job: ListJob, items: ModelRows, chunk: Chunk) -> int:
    """Rank for a chunk's users and write their lists; returns how many rows.

    Raises
    ------
    StageError
        There are not as many as planned.
    """
    import torch

    torch.set_num_threads(max(1, int(job.cpus)))
    device = "cuda" if job.gpus and torch.cuda.is_available() else "cpu"
    users = read_bucket(job.workspace.table("model_users"), chunk.bucket).part(chunk.start, chunk.stop)
    row, seen = _masked_pairs(job, chunk.bucket, users.index)
    found, scores = Catalogue(items, device).best(users.matrix, row, seen, job.k)
    table = recommendation_rows(users.index, found, scores)
    if table.num_rows != chunk.rows:
        raise StageError(
            f"chunk {chunk.name} has {table.num_rows} recommendations instead of {chunk.rows}: "
            "tables changed while the stage ran; run the same command again"
        )
    return job.table.write(chunk.name, table).rows


def gather_lists(job: ListJob, bucket: int, chunks: Sequence[Chunk]) -> int:
    """Write a bucket's chunks as one part of the table, by user and rank; returns its rows."""
    written = job.table.written(bucket)
    return job.table.write_final(job.table.read(written[chunk.name] for chunk in chunks), bucket).rows


_plan = ray.remote(num_cpus=0.5)(plan_lists)
_gather = ray.remote(num_cpus=0.5)(gather_lists)
_load = ray.remote(num_cpus=0.5)(read_items)


def recommend_to_all(run: StageRun) -> Outcome:
    """Give each user the ``recommend.k`` best items that are not cold, without those seen unless they are kept."""
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
        keeps_seen=run.config.recommend.seen == "keep",
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
