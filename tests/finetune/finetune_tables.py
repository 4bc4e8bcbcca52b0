"""A workspace with the tables that fine-tuning reads, made by rule: what a query says decides its target."""

import numpy as np
import pyarrow as pa

from hnlm_ray.config import Config
from hnlm_ray.workspace import Manifest, Rows, Workspace
from hnlm_ray.workspace.tables import TABLES

USERS, ITEMS, K = 24, 30, 8


def finetune_config(folder, **finetune):
    """Return a configuration whose fine-tuning takes seconds."""
    settings = {"model": "tiny", "epochs": 2, "batch_size": 8, "micro_batch": 2, "checkpoint_every": 2}
    settings |= {"max_tokens": 96, "lora": {"rank": 4, "alpha": 8}, "lr": 1e-3}
    return Config.model_validate(
        {
            "name": "tuned",
            "workspace": str(folder),
            "source": {"format": "movielens_100k"},
            "llm": {"engine": "scripted", "encoder": "trigrams"},
            "finetune": settings | finetune,
        }
    )


def publish(workspace, table, rows, fingerprint="f" * 64, parts=1):
    store = workspace.table(table)
    cut = np.array_split(np.arange(len(rows)), parts)
    files = tuple(
        store.write_part(
            fingerprint, f"part-{n:05}", pa.Table.from_pylist([rows[i] for i in part], schema=TABLES[table])
        )
        for n, part in enumerate(cut)
    )
    manifest = Manifest(table=table, stage="test", fingerprint=fingerprint, rows=Rows(ok=len(rows)), files=files)
    store.publish(manifest)


def vectors_of(side):
    """Return the teacher's vectors of all users or items, in index order."""
    draw = np.random.default_rng(3 if side == "users" else 4)
    return draw.normal(size=(USERS if side == "users" else ITEMS, K)).astype(np.float32)


def write_tables(folder):
    """Write teacher and records; returns the workspace."""
    workspace = Workspace.open(str(folder))
    draw = np.random.default_rng(3)
    users, items = vectors_of("users"), vectors_of("items")
    by_bucket = [{"user": n, "vector": users[n].tolist()} for n in sorted(range(USERS), key=lambda n: (n % 3, n))]
    publish(workspace, "teacher_users", by_bucket, parts=3)
    publish(workspace, "teacher_items", [{"item": n, "vector": row.tolist()} for n, row in enumerate(items)])
    records = []
    for user in range(USERS):
        for item in sorted(draw.choice(ITEMS, 2, replace=False).tolist()):
            target = int(np.argsort(-items @ (users[user] + items[item]))[3])
            others = [int(j) for j in draw.permutation(ITEMS) if j not in (target, item)][:3]
            records.append(
                {
                    "user": user,
                    "item": item,
                    "split": "held_out" if user % 6 == 0 else "train",
                    "user_text": f"person {user} likes things of kind {user % 3}",
                    "item_text": f"Thing {item}: of kind {item % 5}",
                    "target": target,
                    "negatives": [item, *others],
                    "weight": round(0.3 + 0.07 * (user % 10), 2),
                    "provenance": "test",
                }
            )
    publish(workspace, "supervision_records", records)
    return workspace
