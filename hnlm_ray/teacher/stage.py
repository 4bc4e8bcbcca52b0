"""Stage: interactions (training rows), users, items -> teacher_users, teacher_items, mined_negatives.

The teacher is trained in one Ray task, with the CPUs and GPUs of a trial (``tune.cpus_per_trial``,
``tune.gpus_per_trial``); the task writes the vectors, which don't pass through the driver. Your own embeddings
are read by the driver, where the source's files are read too. Then each bucket of users is mined by a task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from hnlm_ray.base.errors import StageError
from hnlm_ray.config import Config
from hnlm_ray.prepare.stage import ITEMS_PER_PART
from hnlm_ray.teacher.mining import UserPairs, mine, shares
from hnlm_ray.teacher.own_vectors import read_own
from hnlm_ray.teacher.training import train_teacher, training_data
from hnlm_ray.teacher.vectors import Ints, Vectors, vector_rows, vectors_by_key
from hnlm_ray.workspace import Rows, Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import bucket_count, histories, select_pairs, training_rows

Counts = dict[str, int | float | str | None]


def make_teacher(run: StageRun) -> Outcome:
    """Train the teacher or read your own embeddings, then mine hard negatives of training pairs.

    Raises
    ------
    InputError
        Your own embeddings can't be used; see :func:`hnlm_ray.teacher.own_vectors.read_own`.
    DivergedError
        The training diverged.
    """
    counts: Counts = _train(run) if run.config.teacher.embeddings is None else _read(run, run.config.teacher.embeddings)
    users = sum(file.rows for file in run.output("teacher_users").parts(run.fingerprint))
    return Outcome(Rows(ok=users), counts=counts | shares(_mine(run)))


def _train(run: StageRun) -> Counts:
    settings = run.config.tune
    run.progress.start("teacher", run.config.teacher.cf.epochs, unit="epochs")
    task = ray.remote(_trained).options(
        num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial, num_returns="streaming"
    )
    for epoch in task.remote(run.config, run.workspace, run.fingerprint):
        ray.get(epoch)
        run.progress.advance()
    run.progress.finish()
    return {"teacher": run.config.teacher.cf.model, "epochs": run.config.teacher.cf.epochs}


def _trained(config: Config, workspace: Workspace, fingerprint: str) -> Iterator[None]:
    """Train and write in a task; yields once an epoch, and ends after the vectors are written."""
    for made in train_teacher(training_data(workspace), config):
        if made is None:
            yield None
        else:
            _write(workspace, fingerprint, *made)


def _read(run: StageRun, folder: str) -> Counts:
    ids = (
        run.workspace.table(table).read([key, f"{key}_id"]).sort_by(key)[f"{key}_id"].combine_chunks()
        for table, key in (("users", "user"), ("items", "item"))
    )
    users, items = read_own(folder, *ids)
    _write(run.workspace, run.fingerprint, users.vectors, items.vectors)
    return {
        "teacher": "own",
        "users_without_vector": users.vectors.missing,
        "items_without_vector": items.vectors.missing,
        "unused": users.unused + items.unused,
    }


def _write(workspace: Workspace, fingerprint: str, users: Vectors, items: Vectors) -> None:
    """Write items in parts as the table items has them, users in the buckets of interactions."""
    store, every = workspace.table("teacher_items"), np.arange(len(items.there))
    for part, start in enumerate(range(0, len(every), ITEMS_PER_PART)):
        rows = vector_rows("teacher_items", every[start : start + ITEMS_PER_PART], items)
        store.write_part(fingerprint, f"part-{part:05}", rows)
    store, written = workspace.table("teacher_users"), 0
    for bucket in range(bucket_count(workspace)):
        index = _users_of(workspace, bucket)
        written += len(index)
        store.write_part(fingerprint, f"part-{bucket:05}", vector_rows("teacher_users", index, users))
    if written != len(users.there):
        raise StageError(
            f"{len(users.there) - written} of {len(users.there)} users have no training row: run stage prepare again"
        )


def _users_of(workspace: Workspace, bucket: int) -> Ints:
    return np.unique(training_rows(workspace, bucket)["user"].to_numpy()).astype(np.int64)


def _mine(run: StageRun) -> Counter[str]:
    buckets = bucket_count(run.workspace)
    run.progress.start("mined_negatives", buckets, unit="buckets")
    items = ray.remote(num_cpus=0.5)(_item_vectors).remote(run.workspace, run.fingerprint)
    task = ray.remote(num_cpus=1)(mine_bucket)
    counts: Counter[str] = Counter()
    for found in [task.remote(run.config, run.workspace, run.fingerprint, bucket, items) for bucket in range(buckets)]:
        counts.update(ray.get(found))
        run.progress.advance()
    run.progress.finish()
    return counts


def _item_vectors(workspace: Workspace, fingerprint: str) -> Vectors:
    store = workspace.table("teacher_items")
    rows = store.read_parts(store.parts(fingerprint))
    return vectors_by_key("teacher_items", rows, rows.num_rows)


def mine_bucket(config: Config, workspace: Workspace, fingerprint: str, bucket: int, items: Vectors) -> Counter[str]:
    """Mine for the users of a bucket and write its part; returns what was counted."""
    store = workspace.table("teacher_users")
    rows = store.read_parts(store.parts(fingerprint, f"part-{bucket:05}"))
    with_vector = rows.filter(pc.is_valid(rows["vector"]))
    users = with_vector["user"].to_numpy()
    matrix = pc.list_flatten(with_vector["vector"].combine_chunks()).to_numpy(zero_copy_only=False)
    pairs = {
        history.user: UserPairs(
            history.user,
            history.items,
            select_pairs(history, config.teacher.pairs_per_user, config.seed),
        )
        for history in histories(training_rows(workspace, bucket))
    }
    mined = mine(
        [pairs[user] for user in users.tolist()],
        matrix.reshape(len(users), items.matrix.shape[1]),
        items,
        config.teacher,
    )
    without = sum(len(user.pairs) for key, user in pairs.items() if key not in set(users.tolist()))
    mined.counts.update({"pairs": without, "pairs_without_vector": without})
    table = pa.Table.from_pylist(mined.rows, schema=TABLES["mined_negatives"])
    workspace.table("mined_negatives").write_part(fingerprint, f"part-{bucket:05}", table)
    return mined.counts
