"""A retry of negatives in embedding form: the pairs that an engine failed get their vectors, the others stay."""

import pyarrow as pa
import pytest
import torch
from exported_model import export
from finetune_tables import finetune_config, write_tables

from hnlm_ray.llm.rows.buckets import bucket_chunks, gather_bucket, plan_bucket
from hnlm_ray.llm.rows.job import RowJob, RowPrompt, RowTask
from hnlm_ray.negatives import embedding
from hnlm_ray.workspace import ChunkedTable
from hnlm_ray.workspace.stage import parse_retry

PAIRS = [(0, 3), (0, 7), (5, 3), (9, 11)]
TEXTS = ["likes war", "Alien: in space"]


@pytest.fixture
def make_job(tmp_path):
    config = finetune_config(tmp_path / "ws")
    config = config.model_copy(update={"embeddings": config.embeddings.model_copy(update={"engine": "torch"})})
    workspace = write_tables(tmp_path / "ws")
    export(config, workspace, tmp_path / "trained")

    def make_job(chunks="c" * 64, final="f" * 64, retry=None):
        prompts = [RowPrompt(pair, TEXTS) for pair in PAIRS]
        task = RowTask("negative_embeddings", ("user", "item"), 1, lambda _: prompts)
        table = ChunkedTable(workspace.table(task.table), chunks, final)
        return RowJob(task, config, workspace, table, retry=retry)

    return make_job


def run(job, change=lambda _: None):
    """Do a stage's work without Ray; returns the rows of its table, and what the driver is told."""
    plan_bucket(job, 0)
    worker = embedding.EmbeddingWorker(job)
    change(worker)
    told = list(worker(pa.Table.from_pylist(list(bucket_chunks(job, 0)))))
    gather_bucket(job, 0)
    rows = job.store.read_parts(job.store.parts(job.table.final)).to_pylist()
    return {(row["user"], row["item"]): row for row in rows}, told


class FailsForOne:
    """An engine that fails with the third pair, alone or among others."""

    def __init__(self, engine):
        self.engine, self.left = engine, [4, 2, 1]

    def states(self, prompts):
        if self.left and len(prompts) == self.left[0]:
            self.left.pop(0)
            raise RuntimeError("the engine died")
        return self.engine.states(prompts)

    def shutdown(self):
        pass


def test_pairs_that_an_engine_failed_get_vectors_and_the_others_stay_as_they_are(make_job, monkeypatch):
    def fail(worker):
        worker._engine = FailsForOne(worker._engine)
        monkeypatch.setattr(embedding, "open_state_engine", lambda *_: worker._engine)

    job = make_job()
    before, _ = run(job, fail)
    lost = {key for key, row in before.items() if row["status"] == "engine_error"}
    assert len(lost) == 1
    monkeypatch.undo()

    retry = parse_retry("failed").of_table(job.table.final)
    after, told = run(make_job("d" * 64, retry.revision, retry))
    assert {row["status"] for row in after.values()} == {"ok"}
    assert {key: row for key, row in after.items() if key not in lost} == {
        key: row for key, row in before.items() if key not in lost
    }
    (key,) = lost
    assert after[key]["attempts"] == before[key]["attempts"] + 1
    assert after[key]["tokens_in"] == 2 * before[key]["tokens_in"]
    assert torch.tensor(after[key]["vector"]).float().norm() == pytest.approx(1, abs=1e-2)
    assert sum(table["tokens"][0].as_py() for table in told) == before[key]["tokens_in"]
