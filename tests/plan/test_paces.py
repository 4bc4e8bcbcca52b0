"""Paces of trainings: measured on data of the right shape, whatever the method reads."""

import numpy as np
import pyarrow as pa
import pytest
from small_run import small_config

from hnlm_ray.plan.pace import Pace
from hnlm_ray.plan.rows import ROWS, read_prepared
from hnlm_ray.plan.training_time import kinds, measure_trainings
from hnlm_ray.tables import TABLES
from hnlm_ray.workspace import Manifest, Workspace

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
    publish(workspace, "interactions", rows[:150], rows[150:])
    publish(workspace, "users", [{"user": user, "user_id": str(user)} for user in range(USERS)])
    publish(workspace, "items", [{"item": item, "item_id": str(item)} for item in range(ITEMS)])
    return workspace


def publish(workspace, table, *parts):
    store = workspace.table(table)
    files = [
        store.write_part("f" * 16, f"part-{n}", pa.Table.from_pylist(rows, schema=TABLES[table]))
        for n, rows in enumerate(parts)
    ]
    store.publish(Manifest(table=table, stage="prepare", fingerprint="f" * 16, files=tuple(files)))


def test_a_training_that_ends_by_itself_is_not_longer_than_that():
    pace = Pace.of([3.0, 4.0, 5.0])
    assert (pace.start_s, pace.epoch_s, pace.seconds(10)) == (2.0, 1.0, 12.0)
    assert Pace(2.0, 1.0, ends_after=3).seconds(10) == 5.0
    assert Pace.of([4.0]).seconds(2) == 8.0


def test_rows_are_counted_from_the_prepared_tables(prepared, tmp_path):
    config = small_config(tmp_path, tmp_path / "ws", negatives__pairs_per_user=4, recommend__k=38)
    data = read_prepared(prepared)
    assert (data.users, data.items, data.train, data.interactions) == (30, 40, 180, 300)
    counted = {name: count(config, data) for name, count in ROWS.items()}
    assert counted["semantic_negatives"] == 4 * 30
    assert counted["trials"] == counted["results"] == 6 * 2
    assert counted["recommendations"] == 34 * 30


def test_each_kind_of_method_is_timed_and_one_that_cannot_be_is_left_out(prepared, tmp_path):
    methods = ["rns", "pool", "pool_random", "hnlmrec", "guard", "ease", "llmrec"]
    changes = {"tune__methods": methods, "finetune__enabled": True, "tune__trials": 1}
    config = small_config(tmp_path, tmp_path / "ws", **changes)
    times = measure_trainings(config, prepared)
    assert len(kinds(config)) == 6
    assert {kind.split()[0] for kind in times.paces} == {"lightgcn", "ease"}
    assert len(times.paces) == 5
    assert times.epochs in range(1, 5)
    assert all(pace.epoch_s > 0 for pace in times.paces.values())
    assert 0 < times.teacher.mined_share <= 1
