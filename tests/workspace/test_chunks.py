"""Chunked tables: what is whole counts, and folders that an earlier version left half done are gone on with.

``half_done/`` was written by the package as it was before there was a ChunkedTable, when each folder had its own code:
a run that was killed with three of eight profiles lost or unasked, a chunk of lists to rank, a training on its way.
"""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hnlm_ray.config import Config
from hnlm_ray.finetune.stage import _drop_rows_after
from hnlm_ray.llm.rows.buckets import BucketPlan, bucket_chunks, chunk_rows, gather_bucket, plan_bucket
from hnlm_ray.llm.rows.job import RowJob, RowPrompt, RowTask, Spent
from hnlm_ray.llm.rows.journal import Journal, chunk_name
from hnlm_ray.recommend.lists import ListJob, gather_lists, plan_lists, rank_chunk
from hnlm_ray.recommend.model_tables import ModelRows, model_table, read_items
from hnlm_ray.tune.run.sweep import _finished
from hnlm_ray.tune.run.worker import TrainingRows
from hnlm_ray.workspace import ChunkedTable, Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import TABLES

FINGERPRINT = "f" * 64


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(str(tmp_path / "ws"))


@pytest.fixture
def half_done(tmp_path, workspace):
    shutil.copytree(Path(__file__).with_name("half_done"), tmp_path / "ws")
    return workspace


def run_of(workspace):
    tree = {"name": "x", "workspace": workspace.uri, "source": {"format": "movielens_100k"}}
    config = Config.model_validate(tree | {"llm": {"engine": "scripted", "batch_rows": 3}})
    return StageRun(config, workspace, FINGERPRINT, None)


def profiles(statuses):
    made = {"attempts": 2, "tokens_in": 10, "tokens_out": 5, "prompt_version": "p", "model": "m"}
    made |= {"prompt_cut": 0, "prompt_defused": False}
    rows = [{"item": item, "status": status, **made} for item, status in statuses.items()]
    return pa.Table.from_pylist(rows, schema=TABLES["item_profiles"])


def files(workspace, table):
    folder = Path(workspace.root) / "tables" / table
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_profiles_that_an_earlier_version_left_half_done_are_gone_on_with(half_done):
    run, before = run_of(half_done), files(half_done, "item_profiles")
    task = RowTask("item_profiles", ("item",), 1, lambda _: [RowPrompt((n,), {}) for n in range(8)])
    job = RowJob(task, run.config, half_done, run.chunked("item_profiles"))
    # Row 1 was lost to a failing engine and set aside, 3 and 4 were not asked; a part was cut off as it was written.
    assert plan_bucket(job, 0) == BucketPlan(total=8, done=5, tokens_in=60, tokens_out=30)
    (chunk,) = bucket_chunks(job, 0)
    asked = chunk_rows(chunk["rows"])
    assert {row.key: row.before for row in asked} == {(1,): Spent(2, 10, 5), (3,): Spent(), (4,): Spent()}
    # These three died together and then alone: the first of them is asked by itself.
    piece = Journal(job.table, 0).next_piece([row.key for row in asked])
    assert (piece.rows, piece.alone, piece.poison) == (range(1), True, False)
    job.table.write(chunk_name(0, [row.key for row in asked]), profiles(dict.fromkeys([1, 3, 4], "ok")))
    summary = gather_bucket(job, 0)
    assert summary.by_status == {"ok": 6, "invalid": 1, "none": 1}
    table = half_done.table("item_profiles").read_parts(half_done.table("item_profiles").parts(FINGERPRINT))
    assert table["item"].to_pylist() == list(range(8))
    after = files(half_done, "item_profiles")
    added = {"04c683367ef896c5/b00000-2e56b560be00d819.parquet", "ffffffffffffffff/part-00000.parquet"}
    assert after.keys() - before.keys() == added
    assert {path for path in before if after[path] != before[path]} == {"04c683367ef896c5/b00000-snapshot.json"}


def publish(workspace, name, table):
    store = workspace.table(name)
    store.publish(
        Manifest(table=name, stage="x", fingerprint="a" * 64, files=[store.write_part("a" * 64, "part-00000", table)])
    )


def model_of_five_users(workspace):
    users, items = np.arange(0, 10, 2), np.arange(6)
    of_users = (users[:, None] * np.array([[1.0, -1.0]]) + np.array([[3.0, 5.0]])).astype(np.float32)
    of_items = np.stack([items % 4, items % 3], 1).astype(np.float32)
    publish(workspace, "model_users", model_table("model_users", ModelRows(users, of_users, np.full(5, 1))))
    positives = np.array([1, 1, 1, 1, 1, 0])
    publish(workspace, "model_items", model_table("model_items", ModelRows(items, of_items, positives)))
    seen = [{"user": int(user), "item": int(user) % 5, "split": "train"} for user in users]
    publish(workspace, "interactions", pa.Table.from_pylist(seen, schema=TABLES["interactions"]))


def test_lists_that_an_earlier_version_left_half_done_are_gone_on_with(half_done):
    model_of_five_users(half_done)
    before = files(half_done, "recommendations")
    table = run_of(half_done).chunked("recommendations")
    job = ListJob(half_done, table, 3, all_seen=True, cpus=1, gpus=0, users_per_chunk=2)
    plan = plan_lists(job, 0)
    assert (plan.rows(done=False), plan.rows(done=True)) == (15, 9)
    (missing,) = plan.todo
    assert rank_chunk(job, read_items(half_done), missing) == 6
    assert gather_lists(job, 0, plan.chunks) == 15
    made = table.store.read_parts(table.store.parts(FINGERPRINT))
    assert made["user"].to_pylist() == [user for user in range(0, 10, 2) for _ in range(3)]
    assert made["item"].to_pylist()[:6] == [2, 3, 1, 3, 1, 4]
    after = files(half_done, "recommendations")
    assert {path: after[path] for path in before} == before
    name = "04c683367ef896c5/b00000-0000000000-0000000002.parquet"
    assert after.keys() - before.keys() == {name, "ffffffffffffffff/part-00000.parquet"}


def test_a_search_that_an_earlier_version_left_half_done_is_gone_on_with(half_done):
    rows = TrainingRows(run_of(half_done).chunked("trials"))
    assert [(key.part, ending.status) for key, ending in _finished(rows, "ndcg@20")] == [
        ("mf-dns-0-0", "failed"),
        ("mf-dns-0-1", "failed"),
    ]
    assert rows.states.begun().keys() == {"mf-dns-0-2"}
    header, state = rows.states.read("mf-dns-0-2")
    assert (header.seed, header.curve.epochs, state) == (5, 1, {"epoch": 1})


def test_a_fine_tuning_s_log_of_an_earlier_version_is_gone_on_with(half_done):
    log = run_of(half_done).chunked("finetune_log")
    assert list(log.written()) == ["until-000010", "until-000020"]
    _drop_rows_after(log, 10)  # the checkpoint that counts is of step 10
    assert log.sorted_rows()["step"].to_pylist() == list(range(-1, 11))


@pytest.fixture
def table(workspace):
    return ChunkedTable(workspace.table("item_profiles"), "c" * 64, FINGERPRINT)


def test_chunks_are_those_of_their_bucket_and_only_whole_ones(table):
    for name, item in (("b00001-x", 3), ("b00000-b", 1), ("b00000-a", 2)):
        table.write(name, profiles({item: "ok"}))
    with open(f"{table.store.parts_folder('c' * 64)}/b00000-c.parquet", "wb") as cut_off:
        cut_off.write(b"PAR1")
    assert list(table.written(0)) == ["b00000-a", "b00000-b"]
    assert list(table.written()) == ["b00000-a", "b00000-b", "b00001-x"]
    assert [table.has(name) for name in ("b00000-a", "b00000-c", "b00000-d")] == [True, False, False]
    assert table.keys_of(table.sorted_rows(0)) == [(1,), (2,)]
    table.remove("b00000-a")
    assert table.keys_of(table.read(table.written(0).values(), ["item"])) == [(1,)]


def test_a_bucket_becomes_the_part_of_its_number(table):
    table.write("b00012-x", profiles({4: "ok", 2: "ok"}))
    part = table.write_final(table.sorted_rows(12), 12)
    assert (part.path, part.rows) == ("ffffffffffffffff/part-00012.parquet", 2)
    assert list(table.written()) == ["b00012-x"]


def test_notes_lie_beside_chunks_and_are_none(table):
    table.write_note("b00000-x.asked.json", "{}")
    table.write_note("b00000-snapshot.json", "one")
    table.write_note("b00000-snapshot.json", "two")
    assert table.read_note("b00000-snapshot.json") == b"two"
    assert table.notes(0, ".asked.json") == ["b00000-x.asked.json"]
    assert (table.notes(1, ".asked.json"), table.written()) == ([], {})
    table.remove_note("b00000-x.asked.json")
    for missing in (table.read_note, table.remove_note):
        with pytest.raises(FileNotFoundError):
            missing("b00000-x.asked.json")
