"""Negatives in embedding form: each pair its own vector, a pair without one a recorded row, no engine trusted."""

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch
from exported_model import export
from finetune_tables import finetune_config, publish, vectors_of, write_tables

from hnlm_ray.finetune.export import fetch_exported
from hnlm_ray.llm.rows.job import RowJob, RowTask
from hnlm_ray.negatives import embedding
from hnlm_ray.negatives.embedding import pooling_arguments
from hnlm_ray.workspace import ChunkedTable

PAIRS = [(0, 3), (0, 7), (5, 3), (9, 11), (23, 29)]
TEXTS = ["likes war", "Alien: in space " * 3]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedding")
    config = finetune_config(folder / "ws")
    config = config.model_copy(update={"embeddings": config.embeddings.model_copy(update={"engine": "torch"})})
    workspace = write_tables(folder / "ws")
    return config, workspace, export(config, workspace, folder / "trained")


def worker(made):
    """Return a worker whose chunks nobody has done before."""
    config, workspace, _ = made
    task = RowTask("negative_embeddings", ("user", "item"), 1, lambda _: [])
    table = ChunkedTable(workspace.table(task.table), uuid.uuid4().hex * 2, "f" * 64)
    return embedding.EmbeddingWorker(RowJob(task, config, workspace, table))


def chunk_of(texts, bucket=0):
    """Return a chunk of pairs, with the texts of each."""
    rows = [[list(pair), own, 0, False, [0, 0, 0], {}] for pair, own in texts.items()]
    return pa.table({"bucket": [bucket], "rows": [json.dumps(rows)]})


def rows(asked, pairs=PAIRS, texts=TEXTS):
    (told,) = asked(chunk_of(dict.fromkeys(pairs, texts)))
    found = asked._job.table.sorted_rows().to_pylist()
    assert told["rows"].to_pylist() == [len(found)]
    return {(row["user"], row["item"]): row for row in found}


def test_each_pair_gets_the_training_graphs_vector_of_its_own_query(made):
    _, _, model = made
    asked = worker(made)
    found = rows(asked)
    users, items = vectors_of("users"), vectors_of("items")
    for user, item in PAIRS:
        query = asked._encoder.encode(*TEXTS)
        own = (torch.from_numpy(side[index : index + 1]) for side, index in ((users, user), (items, item)))
        with torch.no_grad():
            wanted = model([query], *own)[0].numpy()
        row = found[user, item]
        assert row["status"] == "ok"
        assert row["tokens_in"] == len(query.ids)
        vector = np.array(row["vector"], dtype=np.float32)
        assert vector @ wanted / np.linalg.norm(wanted) / np.linalg.norm(vector) > 0.99999
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-2)
    first, *others = (np.array(row["vector"], dtype=np.float32) for row in found.values())
    assert all(first @ other < 0.9999 for other in others)


def test_a_pair_whose_user_or_item_the_teacher_does_not_know_is_recorded_never_noise(made, tmp_path):
    config, _, model = made
    workspace = write_tables(tmp_path / "ws")
    export(config, workspace, tmp_path / "trained", model)
    items = vectors_of("items").tolist()
    publish(workspace, "teacher_items", [{"item": n, "vector": None if n == 7 else v} for n, v in enumerate(items)])
    found = rows(worker((config, workspace, model)))
    assert {key: row["status"] for key, row in found.items() if row["status"] != "ok"} == {(0, 7): "no_vector"}
    assert found[0, 7]["vector"] is None
    assert "teacher has no vector" in found[0, 7]["error"]


def test_text_that_does_not_fit_is_counted(made):
    assert all(row["tokens_cut"] > 0 for row in rows(worker(made), texts=["u" * 300, "i" * 300]).values())


class Fragile:
    """An engine that dies of one prompt, whatever comes along with it."""

    def __init__(self, engine, poison):
        self.engine, self.poison = engine, poison

    def states(self, prompts):
        if any(len(prompt) == self.poison for prompt in prompts):
            raise RuntimeError("the engine died")
        return self.engine.states(prompts)

    def shutdown(self):
        pass


def test_a_prompt_that_kills_the_engine_is_found_and_recorded_and_the_others_get_their_vectors(made, monkeypatch):
    asked = worker(made)
    engine, starts = asked._engine, []

    def start(*_):
        starts.append(1)
        return Fragile(engine, poison)

    chunk = {pair: ["poison " * 3, "x"] if pair == (9, 11) else TEXTS for pair in PAIRS}
    poison = len(asked._encoder.encode("poison " * 3, "x").ids)
    assert poison != len(asked._encoder.encode(*TEXTS).ids)
    asked._engine = start()
    monkeypatch.setattr(embedding, "open_state_engine", start)
    list(asked(chunk_of(chunk)))
    found = {(row["user"], row["item"]): row for row in asked._job.table.sorted_rows().to_pylist()}
    assert {key: row["status"] for key, row in found.items() if row["status"] != "ok"} == {(9, 11): "engine_error"}
    assert found[9, 11]["error"] == "the engine failed: RuntimeError: the engine died"
    assert len(starts) > 1
    assert found[9, 11]["attempts"] > 1
    assert all(row["attempts"] == 1 for row in rows(worker(made)).values())


def test_a_vector_that_is_not_finite_is_an_error_of_its_row(made, monkeypatch):
    asked = worker(made)
    monkeypatch.setattr(asked._engine, "states", lambda prompts: torch.full((len(prompts), 64), float("nan")))
    monkeypatch.setattr(embedding, "open_state_engine", lambda *_: asked._engine)
    found = rows(asked, pairs=PAIRS[:1])
    assert found[0, 3]["status"] == "engine_error"
    assert "not finite" in found[0, 3]["error"]


class Alone:
    """An engine that fails when two threads use it at the same time, as vLLM's does."""

    def __init__(self, engine):
        self.engine, self.busy = engine, threading.Lock()

    def states(self, prompts):
        assert self.busy.acquire(blocking=False), "two threads at once"
        try:
            time.sleep(0.05)
            return self.engine.states(prompts)
        finally:
            self.busy.release()

    def shutdown(self):
        raise AssertionError("no engine had to be started again")


def test_threads_that_bring_chunks_use_the_engine_one_after_the_other(made):
    asked = worker(made)
    asked._engine = Alone(asked._engine)
    batches = [chunk_of(dict.fromkeys(PAIRS, TEXTS), bucket) for bucket in range(4)]
    with ThreadPoolExecutor(4) as pool:
        told = [table for tables in pool.map(lambda batch: list(asked(batch)), batches) for table in tables]
    assert [table["rows"].to_pylist() for table in told] == [[len(PAIRS)]] * 4


def test_arguments_of_the_users_come_last_for_embedding_too(made):
    config, workspace, _ = made
    config = config.model_copy(update={"llm": config.llm.model_copy(update={"engine_kwargs": {"max_num_seqs": 3}})})
    exported = fetch_exported(workspace, "")
    arguments = pooling_arguments(config, exported)
    assert (arguments["max_num_seqs"], arguments["runner"]) == (3, "pooling")
    assert arguments["max_model_len"] == config.finetune.max_tokens
