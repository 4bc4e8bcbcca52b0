"""Ranks synthetic users by 100,000 items in one process: scaled_lists.py USERS FOLDER; prints a line a bucket."""

import resource
import sys
import time

import numpy as np
import pyarrow as pa
import torch

from hnlm_ray.recommend.lists import ListJob, gather_lists, plan_lists, rank_chunk
from hnlm_ray.recommend.model_tables import ModelRows, model_table, read_items
from hnlm_ray.workspace import ChunkedTable, Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES

ITEMS, DIM, SEEN, K, USERS_PER_BUCKET = 100_000, 64, 20, 20, 25_000


def publish(workspace, name, parts):
    store = workspace.table(name)
    for number, rows in enumerate(parts):
        store.write_part("a" * 64, f"part-{number:05}", rows)
    store.publish(Manifest(table=name, stage="x", fingerprint="a" * 64, files=store.parts("a" * 64)))


def model_part(users, draw):
    vectors = draw.normal(size=(len(users), DIM)).astype(np.float32)
    return model_table("model_users", ModelRows(users, vectors, np.full(len(users), SEEN)))


def interactions_part(users, draw):
    """Twenty items a user, one of each twentieth of the catalogue."""
    items = draw.integers(0, ITEMS // SEEN, (len(users), SEEN)) + np.arange(SEEN) * (ITEMS // SEEN)
    size = items.size
    columns = [np.repeat(users, SEEN).astype(np.int32), items.ravel().astype(np.int32)]
    nothing = [pa.nulls(size, pa.float32()), pa.nulls(size, pa.int64())]
    return pa.table(
        [*columns, *nothing, pa.array(["train"]).take(pa.array(np.zeros(size, int)))], TABLES["interactions"]
    )


def make(workspace, users):
    draw, buckets = np.random.default_rng(0), users // USERS_PER_BUCKET
    publish(workspace, "model_users", (model_part(np.arange(b, users, buckets), draw) for b in range(buckets)))
    publish(workspace, "interactions", (interactions_part(np.arange(b, users, buckets), draw) for b in range(buckets)))
    vectors = draw.normal(size=(ITEMS, DIM)).astype(np.float32)
    rows = ModelRows(np.arange(ITEMS), vectors, np.ones(ITEMS, np.int64))
    publish(workspace, "model_items", [model_table("model_items", rows)])
    return buckets


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    torch.set_num_threads(1)
    workspace = Workspace.open(sys.argv[2])
    buckets = make(workspace, int(sys.argv[1]))
    table = ChunkedTable(workspace.table("recommendations"), "c" * 64, "f" * 64)
    job = ListJob(workspace, table, K, all_seen=True, cpus=1, gpus=0)
    items, ranked, before, started, worked = read_items(workspace), 0, peak(), time.monotonic(), time.process_time()
    for bucket in range(buckets):
        plan = plan_lists(job, bucket)
        ranked += sum(rank_chunk(job, items, chunk) for chunk in plan.todo) // K
        assert gather_lists(job, bucket, plan.chunks) == plan.rows(done=False)
        wall, cpu = ranked / (time.monotonic() - started), ranked / (time.process_time() - worked)
        print(f"{ranked} {wall:.0f} {cpu:.0f} {before:.3f} {peak():.3f}", flush=True)
