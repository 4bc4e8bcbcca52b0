"""The stage on a real Ray: what it trains on, where vectors land, what is mined."""

import io
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from one_ray import connected
from rich.console import Console
from small_run import ITEMS, USERS, small_config, write_split

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import train
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.teacher.own_vectors import read_own
from hnlm_ray.teacher.training import training_data
from hnlm_ray.teacher.vectors import read_vectors
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.tables import KEYS, TABLES
from hnlm_ray.workspace.training_data import bucket_count

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
TEACHER = {
    "cf": {"model": "lightgcn", "dim": 8, "epochs": 3, "batch_size": 64, "validation": "none"},
    "pairs_per_user": 3,
    "window": [1, 20],
    "mined": 2,
}
NAMES = ("teacher_users", "teacher_items", "mined_negatives")


class Counted:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.told = []

    def start(self, stage, total, done=0, unit="rows"):
        self.told.append([stage, total, 0])

    def advance(self, rows=1, tokens=0):
        self.told[-1][2] += rows

    def finish(self):
        """Nothing to close."""


def prepared(folder, *, test_seed, **teacher):
    config = small_config(write_split(folder / "source", test_seed=test_seed), folder / "ws")
    config = config.model_validate({**config.model_dump(), "teacher": {**TEACHER, **teacher}})
    workspace = Workspace.open(config.workspace)
    progress = LineProgress(Console(file=io.StringIO()))
    list(run_stages(config, workspace, progress, lambda _: None, only=find_stage("prepare")))
    return config, workspace


def made(config, workspace):
    from hnlm_ray.teacher.stage import make_teacher

    fingerprint, progress = "f" * 64, Counted()
    outcome = make_teacher(StageRun(config, workspace, fingerprint, progress))
    for name in NAMES:
        store = workspace.table(name)
        store.publish(Manifest(table=name, stage="teacher", fingerprint=fingerprint, files=store.parts(fingerprint)))
    return outcome, progress.told


def own_folder(folder):
    """Vectors whose first number is the id; as users.parquet would, ids stand in another order than the run's."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for side, size in (("users", USERS), ("items", ITEMS)):
        ids = rng.permutation(size + 3)
        ids = ids[ids != 5]
        matrix = rng.normal(size=(len(ids), 4)).astype(np.float32)
        matrix[:, 0] = ids
        np.save(folder / f"{side}.npy", matrix)
        (folder / f"{side}.ids.txt").write_text("".join(f"{name}\n" for name in ids))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    own = own_folder(folder / "own")
    config = small_config(write_split(folder / "any", test_seed=1), folder / "any-ws")
    with connected(config, []):
        found = {}
        for name, seed, more in (("one", 1, {}), ("two", 2, {}), ("own", 1, {"embeddings": str(own)})):
            run = prepared(folder / name, test_seed=seed, **more)
            found[name] = (*run, *made(*run))
        yield found


def rows(workspace, name):
    return workspace.table(name).read().to_pylist()


def split_pairs(workspace, split):
    return {(row["user"], row["item"]) for row in rows(workspace, "interactions") if row["split"] == split}


def test_tables_have_a_row_for_everybody_and_users_lie_in_the_buckets_of_interactions(runs):
    for _, workspace, _, _ in runs.values():
        for name, size in (("teacher_users", USERS), ("teacher_items", ITEMS)):
            table = workspace.table(name).read()
            assert table.schema.equals(TABLES[name])
            assert sorted(table[KEYS[name][0]].to_pylist()) == list(range(size))
        assert bucket_count(workspace) == len(workspace.table("mined_negatives").published().files) == 3
        for bucket in range(3):
            wanted = sorted(set(workspace.table("interactions").read_file(bucket)["user"].to_pylist()))
            assert workspace.table("teacher_users").read_file(bucket)["user"].to_pylist() == wanted
            assert set(workspace.table("mined_negatives").read_file(bucket)["user"].to_pylist()) <= set(wanted)


def test_the_vectors_are_those_of_the_model_at_the_places_of_their_ids(runs):
    config, workspace, _, told = runs["one"]
    torch.set_num_threads(1)
    training = train(training_data(workspace), config.teacher.cf, config.seed)
    assert training.epochs == 3
    for name, expected in (("teacher_users", training.user_embeddings), ("teacher_items", training.item_embeddings)):
        found = read_vectors(workspace, name)
        np.testing.assert_allclose(found.matrix, expected.numpy(), atol=1e-6)
        assert found.there.all()
    assert told == [["teacher", 3, 3], ["mined_negatives", 3, 3]]


def test_it_trains_on_training_rows_alone(runs):
    _, workspace, _, _ = runs["one"]
    data = training_data(workspace)
    assert data.validation is data.test is data.pool is None
    users, items = data.train.pairs()
    assert set(zip(users.tolist(), items.tolist(), strict=True)) == split_pairs(workspace, "train")


def test_held_out_rows_reach_neither_teacher_nor_mined_negatives(runs):
    (_, one, _, _), (_, two, _, _) = runs["one"], runs["two"]
    assert split_pairs(one, "test") != split_pairs(two, "test")
    for name in NAMES:
        first, second = ([Path(path).read_bytes() for path in each.table(name).paths()] for each in (one, two))
        assert first == second, name


@pytest.mark.parametrize("name", ["one", "own"])
def test_mined_rows_are_training_pairs_and_their_negatives_are_not(runs, name):
    config, workspace, outcome, _ = runs[name]
    train_pairs, mined = split_pairs(workspace, "train"), rows(workspace, "mined_negatives")
    keys = [(row["user"], row["item"]) for row in mined]
    assert set(keys) < train_pairs
    assert len(keys) == len(set(keys))
    assert outcome.rows.ok == USERS
    assert outcome.counts["pairs"] == USERS * 3
    assert outcome.counts["pairs"] - outcome.counts["pairs_without_vector"] == len(mined)
    negatives = list(chain.from_iterable(((row["user"], one) for one in row["negatives"]) for row in mined))
    assert len(negatives) == outcome.counts["negatives"] > USERS
    assert not set(negatives) & train_pairs
    users, items = (read_vectors(workspace, table).matrix for table in NAMES[:2])
    for row in mined:
        lead = users[row["user"]] @ (items[row["item"]] - items[row["negatives"]]).T
        assert (lead >= -1e-3).all()
        assert len(row["negatives"]) <= config.teacher.mined


def test_own_embeddings_are_matched_by_id_and_absent_ones_are_counted(runs):
    _, workspace, outcome, told = runs["own"]
    for name, table, key in (("teacher_users", "users", "user_id"), ("teacher_items", "items", "item_id")):
        found, ids = read_vectors(workspace, name), [row[key] for row in rows(workspace, table)]
        assert ids != [str(n) for n in range(len(ids))]  # the run's order is another one
        assert found.there.tolist() == [name != "5" for name in ids]
        assert [int(row[0]) for row in found.matrix] == [int(name) * (name != "5") for name in ids]
    counts = outcome.counts
    assert (counts["teacher"], counts["users_without_vector"], counts["items_without_vector"]) == ("own", 1, 1)
    assert counts["unused"] == 6
    absent = {row["item"] for row in rows(workspace, "items") if row["item_id"] == "5"}
    lonely = {row["user"] for row in rows(workspace, "users") if row["user_id"] == "5"}
    mined = rows(workspace, "mined_negatives")
    assert not absent & {row["item"] for row in mined}
    assert not absent & set(chain.from_iterable(row["negatives"] for row in mined))
    assert not lonely & {row["user"] for row in mined}
    assert counts["pairs_without_vector"] >= 3
    assert told == [["mined_negatives", 3, 3]]


def test_the_order_of_your_own_file_does_not_matter(runs, tmp_path):
    config, workspace, _, _ = runs["own"]
    given = config.teacher.embeddings
    for side in ("users", "items"):
        matrix, ids = np.load(f"{given}/{side}.npy"), Path(given, f"{side}.ids.txt").read_text().splitlines()
        np.save(tmp_path / f"{side}.npy", matrix[::-1].copy())
        (tmp_path / f"{side}.ids.txt").write_text("\n".join(ids[::-1]))
    known = [workspace.table(t).read()[k].combine_chunks() for t, k in (("users", "user_id"), ("items", "item_id"))]
    for one, other in zip(read_own(given, *known), read_own(str(tmp_path), *known), strict=True):
        np.testing.assert_array_equal(one.vectors.matrix, other.vectors.matrix)
