"""Both stages on a real Ray: what the final model is trained on, what is recommended, and going on after a kill."""

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from one_ray import connected
from rich.console import Console
from small_run import USERS, small_config, write_split

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.cf import train
from hnlm_ray.config import CFConfig
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.recommend import lists as cut
from hnlm_ray.recommend.final_model import train_final_model, training_data
from hnlm_ray.recommend.lists import recommend_to_all
from hnlm_ray.recommend.model_tables import read_items
from hnlm_ray.tune.data import load_cf_data
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import StageRun, chunks_of
from hnlm_ray.workspace.tables import TABLES

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
MODEL, LISTS = "a" * 64, "b" * 64
K = 5


class Counted:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.told = []

    def start(self, stage, total, done=0, unit="rows"):
        self.told.append([stage, total, done])

    def advance(self, rows=1, tokens=0):
        self.told[-1][2] += rows

    def finish(self):
        """Nothing to close."""


def publish(workspace, name, rows=None, fingerprint="c" * 64, **manifest):
    store = workspace.table(name)
    if rows is not None:
        store.write_part(fingerprint, "part-00000", pa.Table.from_pylist(rows, schema=TABLES[name]))
    made = {"stage": "x", "files": store.parts(fingerprint), **manifest}
    store.publish(Manifest(table=name, fingerprint=fingerprint, **made))


def compared(workspace, sampler="dns"):
    """Publish a comparison that lightgcn-dns wins with mean best epoch 3, and an empty pool."""
    config = CFConfig(dim=8, batch_size=64, sampler=sampler, lr=0.05).model_dump_json()
    made = {"config": config, "status": "ok", "epochs": 9, "seconds": 0.1, "test": {"ndcg@20": 0.1}}
    made |= {"cpu_seconds": 0.1, "started_epoch": 0, "search": 0}
    means = {"lightgcn-rns": 0.2, "lightgcn-dns": 0.3, "lightgcn-guard_no_text": 0.9}
    for name in ("trials", "results"):
        key = "trial" if name == "trials" else "seed"
        drop = {"test"} if name == "trials" else set()
        rows = [
            {"method": method, key: n, "best_epoch": 2 + n, "validation": {"ndcg@20": mean}, **made}
            for method, mean in means.items()
            for n in (0, 1)
        ]
        publish(workspace, name, [{key: value for key, value in row.items() if key not in drop} for row in rows])
    publish(workspace, "negative_pool", [])


def prepared(folder, **changes):
    config = small_config(write_split(folder / "source", test_seed=1), folder / "ws", **changes)
    workspace = Workspace.open(config.workspace)
    progress = LineProgress(Console(file=io.StringIO()))
    list(run_stages(config, workspace, progress, lambda _: None, only=find_stage("prepare")))
    compared(workspace)
    return config, workspace


def run_of(config, workspace, fingerprint):
    return StageRun(config, workspace, fingerprint, Counted())


def made(config, workspace):
    model = run_of(config, workspace, MODEL)
    outcome = train_final_model(model)
    for name in ("model_users", "model_items"):
        publish(workspace, name, fingerprint=MODEL, counts=outcome.counts)
    lists = run_of(config, workspace, LISTS)
    listed = recommend_to_all(lists)
    publish(workspace, "recommendations", fingerprint=LISTS)
    return outcome, listed, model.progress.told + lists.progress.told


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommend")
    config = small_config(write_split(folder / "any", test_seed=1), folder / "any-ws")
    with connected(config, []):
        found = {}
        for train_on in ("all", "train"):
            run = prepared(folder / train_on, recommend__k=K, recommend__train_on=train_on)
            found[train_on] = (*run, *made(*run))
        yield found


def vectors(workspace, name, key):
    rows = sorted(workspace.table(name).read().to_pylist(), key=lambda row: row[key])
    return np.array([row["vector"] for row in rows], np.float32), np.array([row["positives"] for row in rows])


def seen_by(workspace, splits):
    seen = {}
    for row in workspace.table("interactions").read().to_pylist():
        if row["split"] in splits:
            seen.setdefault(row["user"], set()).add(row["item"])
    return seen


def splits_of(train_on):
    return {"train", "validation", "test"} if train_on == "all" else {"train"}


@pytest.mark.parametrize("train_on", ["all", "train"])
def test_the_final_model_is_the_winner_trained_for_its_mean_best_epoch_on_what_was_asked(runs, train_on):
    config, workspace, outcome, _, told = runs[train_on]
    data = training_data(replace(load_cf_data(config, workspace), pool=None), train_on)
    torch.set_num_threads(1)
    winning = CFConfig(dim=8, batch_size=64, sampler="dns", lr=0.05, epochs=3, validation="none")
    expected = train(data, winning, config.seed)
    for name, key, matrix in (
        ("model_users", "user", expected.user_embeddings),
        ("model_items", "item", expected.item_embeddings),
    ):
        np.testing.assert_allclose(vectors(workspace, name, key)[0], matrix.numpy(), atol=1e-5)
    rows = workspace.table("interactions").read()["split"].to_pylist()
    assert outcome.counts["positives"] == sum(split in splits_of(train_on) for split in rows) == len(data.train)
    counts = outcome.counts
    assert (counts["method"], counts["epochs"], counts["train_on"]) == ("lightgcn-dns", 3, train_on)
    assert told[0] == ["final_model", 3, 3]


@pytest.mark.parametrize("train_on", ["all", "train"])
def test_tables_lie_as_interactions_and_count_what_the_model_rests_on(runs, train_on):
    _, workspace, outcome, _, _ = runs[train_on]
    seen = seen_by(workspace, splits_of(train_on))
    for name in ("model_users", "recommendations"):
        assert len(workspace.table(name).published().files) == 3
        for bucket in range(3):
            wanted = sorted(set(workspace.table("interactions").read_file(bucket)["user"].to_pylist()))
            found = workspace.table(name).read_file(bucket)["user"].to_pylist()
            assert list(dict.fromkeys(found)) == wanted
    _, of_users = vectors(workspace, "model_users", "user")
    assert of_users.tolist() == [len(seen[user]) for user in range(USERS)]
    _, of_items = vectors(workspace, "model_items", "item")
    assert of_items.tolist() == [sum(item in items for items in seen.values()) for item in range(len(of_items))]
    assert outcome.counts["cold_items"] == int((of_items == 0).sum())


@pytest.mark.parametrize("train_on", ["all", "train"])
def test_lists_are_those_of_a_literal_ranking_and_nothing_seen_is_in_them(runs, train_on):
    _, workspace, _, listed, told = runs[train_on]
    users, _ = vectors(workspace, "model_users", "user")
    items, positives = vectors(workspace, "model_items", "item")
    seen = seen_by(workspace, splits_of(train_on))
    found = {}
    for row in workspace.table("recommendations").read().to_pylist():
        found.setdefault(row["user"], []).append((row["rank"], row["item"], row["score"]))
    for user in range(USERS):
        scores = items @ users[user]
        left = [item for item in range(len(items)) if item not in seen[user] and positives[item]]
        wanted = sorted(left, key=lambda item: (-scores[item], item))[:K]
        assert [rank for rank, _, _ in found[user]] == list(range(1, K + 1))
        assert [item for _, item, _ in found[user]] == wanted
        np.testing.assert_allclose([score for _, _, score in found[user]], scores[wanted], rtol=1e-4)
    assert listed.rows.ok == USERS * K
    assert listed.counts["users"] == USERS
    assert told[1] == ["recommendations", USERS * K, USERS * K]


def test_what_was_chosen_before_is_in_the_lists_where_it_is_kept(runs):
    config, workspace, *_ = runs["all"]
    kept = config.model_copy(update={"recommend": config.recommend.model_copy(update={"seen": "keep"})})
    run = run_of(kept, workspace, "f" * 64)
    outcome, store = recommend_to_all(run), workspace.table("recommendations")
    found = {}
    for row in store.read_parts(store.parts("f" * 64)).to_pylist():
        found.setdefault(row["user"], []).append(row["item"])
    store.remove_parts("f" * 64)
    (users, _), (items, positives) = (
        vectors(workspace, "model_users", "user"),
        vectors(workspace, "model_items", "item"),
    )
    for user in range(USERS):
        scores = items @ users[user]
        warm = [item for item in range(len(items)) if positives[item]]
        assert found[user] == sorted(warm, key=lambda item: (-scores[item], item))[:K]
    seen = seen_by(workspace, splits_of("all"))
    assert any(set(found[user]) & seen[user] for user in range(USERS))
    assert outcome.counts["short_lists"] == 0


def test_finished_chunks_are_not_ranked_again(runs, monkeypatch):
    config, workspace, *_ = runs["all"]
    run = run_of(config, workspace, "d" * 64)
    job = cut.ListJob(workspace, run.chunked("recommendations"), K, all_seen=True, cpus=1, gpus=0)
    first = cut.plan_lists(job, 0)
    assert first.done == frozenset()
    cut.rank_chunk(job, read_items(workspace), first.todo[0])
    marked = job.table.sorted_rows().to_pylist()
    marked[0]["score"] = 1234.0
    store = job.table.store
    job.table.write(first.todo[0].name, pa.Table.from_pylist(marked, schema=store.schema))
    outcome = recommend_to_all(run)
    assert run.progress.told[0][1:] == [USERS * K, USERS * K]
    assert outcome.rows.ok == USERS * K
    rows = store.read_parts(store.parts("d" * 64))["score"].to_pylist()
    assert rows.count(1234.0) == 1


def test_a_diverging_training_is_one_sentence(runs, tmp_path):
    config, workspace = prepared(tmp_path)
    results = workspace.table("results").read().to_pylist()
    for row in results:
        row["config"] = CFConfig(dim=8, lr=1e38).model_dump_json()
    publish(workspace, "results", results)
    with pytest.raises(StageError, match=r"lightgcn-dns diverged .* \(the loss of epoch"):
        train_final_model(run_of(config, workspace, MODEL))


def start_driver(config):
    command = [sys.executable, str(Path(__file__).with_name("list_driver.py")), str(config)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, start_new_session=True)


@pytest.mark.long
def test_a_killed_driver_s_chunks_are_kept(runs, tmp_path):
    config, workspace, *_ = runs["all"]
    (tmp_path / "config.json").write_text(config.model_dump_json())
    killed = start_driver(tmp_path / "config.json")
    try:
        while not killed.stdout.readline().startswith("advance"):
            assert killed.poll() is None
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    time.sleep(2)  # what its workers had begun is written or gone
    store = workspace.table("recommendations")
    first = {file.path: os.stat(f"{store.folder}/{file.path}").st_mtime_ns for file in store.parts(chunks_of("e" * 64))}
    assert 0 < len(first) < USERS / 2
    told, _ = start_driver(tmp_path / "config.json").communicate(timeout=200)
    done = sum(file.rows for file in store.parts(chunks_of("e" * 64)) if file.path in first)
    assert told.splitlines()[0] == f"start {USERS * K} {done}"
    assert told.splitlines()[-1] == f"ok {USERS * K}"
    after = {path: os.stat(f"{store.folder}/{path}").st_mtime_ns for path in first}
    assert after == first
    keys = ["user", "rank", "item"]  # scores of smaller blocks differ in their last bits
    assert store.read_parts(store.parts("e" * 64), keys).equals(workspace.table("recommendations").read(keys))
