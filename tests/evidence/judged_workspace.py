"""A prepared workspace with profiles, published without any run; what is held out of it is drawn by a seed."""

import numpy as np
import pyarrow as pa
from small_run import small_config

from hnlm_ray.config import Config
from hnlm_ray.workspace import Manifest, Tokens, Workspace
from hnlm_ray.workspace.tables import TABLES

USERS, ITEMS, BUCKETS, TRAINED = 24, 48, 2, 8
OUTCOME = {
    "status": "ok", "attempts": 1, "tokens_in": 5, "tokens_out": 3, "prompt_version": "p", "model": "m",
    "prompt_cut": 0, "prompt_defused": False,
}  # fmt: skip


def publish(workspace, table, *parts, **manifest):
    store = workspace.table(table)
    files = [
        store.write_part("f" * 16, f"part-{n}", pa.Table.from_pylist(rows, schema=TABLES[table]))
        for n, rows in enumerate(parts)
    ]
    store.publish(Manifest(table=table, stage="prepare", fingerprint="f" * 16, files=tuple(files), **manifest))


def by_bucket(rows):
    return [[row for row in rows if row["user"] % BUCKETS == bucket] for bucket in range(BUCKETS)]


def trained_items(user):
    """Return training items: users of one kind like items of one half."""
    draw = np.random.default_rng(user)
    return [int(item) + ITEMS // 2 * (user % 2) for item in draw.permutation(ITEMS // 2)[:TRAINED]]


def held_out_items(user, seed):
    left = sorted(set(range(ITEMS)) - set(trained_items(user)))
    return [int(item) for item in np.random.default_rng([seed, user]).permutation(left)[:4]]


def judged_workspace(folder, held_out_seed=1):
    """Publish users, items, interactions and profiles of all."""
    workspace = Workspace.open(str(folder))
    workspace.create()
    rows = []
    for user in range(USERS):
        splits = {"train": trained_items(user), "validation": held_out_items(user, held_out_seed)[:2]}
        splits["test"] = held_out_items(user, held_out_seed)[2:]
        rows += [{"user": user, "item": item, "split": split} for split, items in splits.items() for item in items]
    publish(workspace, "interactions", *by_bucket(rows))
    publish(workspace, "users", [{"user": user, "user_id": str(user)} for user in range(USERS)])
    publish(workspace, "items", [{"item": n, "item_id": str(n), "title": f"Title {n:02}"} for n in range(ITEMS)])
    publish(
        workspace, "item_profiles", [{"item": n, "summary": f"item {n:02} is calm", **OUTCOME} for n in range(ITEMS)]
    )
    tastes = [{"user": user, "summary": f"user {user:02} likes calm", **OUTCOME} for user in range(USERS)]
    publish(workspace, "user_profiles", *by_bucket(tastes))
    return workspace


def judged_config(workspace, **evidence):
    small = small_config("nowhere", workspace.uri).model_dump(exclude_unset=True)
    return Config.model_validate({**small, "evidence": {"judge": True, "hard": 3, "candidates": 4, **evidence}})


def judgement(user, candidates, verdicts, status="ok"):
    """Return a row of the table."""
    told = {"candidates": candidates, **OUTCOME, "status": status}
    if status != "ok":
        return {"user": user, **told, "error": "why"}
    problems = {"missing": verdicts.count(None), "malformed": 0, "repeated": 0, "unknown": 1}
    return {"user": user, **told, "verdicts": verdicts, "reasons": [None] * len(verdicts), **problems}


def publish_judgements(workspace, rows):
    publish(workspace, "judgements", rows, tokens=Tokens(tokens_in=70, tokens_out=30))
