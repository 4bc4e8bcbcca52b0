"""Prepared tables of a small data set, published without any run."""

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES

USERS, ITEMS = 30, 40


@pytest.fixture
def prepared(tmp_path):
    """Publish prepared tables: each user has 6 training items, 2 for validation and 2 for test."""
    workspace = Workspace.open(str(tmp_path / "ws"))
    workspace.create()
    draw = np.random.default_rng(3)
    chosen = {user: draw.permutation(ITEMS)[:10].tolist() for user in range(USERS)}
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = [
        {"user": user, "item": item, "split": split}
        for user, items in chosen.items()
        for item, split in zip(items, splits, strict=True)
    ]
    publish_table(workspace, "interactions", rows[:150], rows[150:])
    publish_table(workspace, "users", [{"user": user, "user_id": str(user)} for user in range(USERS)])
    titles = [{"item": item, "item_id": str(item), "title": f"The Title {item}"} for item in range(ITEMS)]
    publish_table(workspace, "items", titles)
    publish_table(workspace, "reviews", [{"user": 0, "item": chosen[0][0], "text": "seen twice"}], [])
    return workspace


def publish_table(workspace, table, *parts):
    store = workspace.table(table)
    files = [
        store.write_part("f" * 16, f"part-{n}", pa.Table.from_pylist(rows, schema=TABLES[table]))
        for n, rows in enumerate(parts)
    ]
    store.publish(Manifest(table=table, stage="prepare", fingerprint="f" * 16, files=tuple(files)))


@pytest.fixture
def publish():
    """Return what publishes a table in so many parts."""
    return publish_table
