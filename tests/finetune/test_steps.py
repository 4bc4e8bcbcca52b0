"""A step's loss and gradient are those of the equation over its whole batch, however its records are shared out."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from finetune_tables import finetune_config, write_tables
from step_script import BATCH, equation

from hnlm_ray.finetune.batches import Plan, contrastive_loss, read_records
from hnlm_ray.finetune.model import query_encoder

SHARED_OUT = [(16, 1), (8, 1), (4, 1), (8, 2), (4, 2), (1, 4)]


@pytest.fixture
def records(tmp_path):
    """Training records whose weights differ: a mean of parts' means is no mean of the whole."""
    found = read_records(write_tables(tmp_path), "train", query_encoder(finetune_config(tmp_path)))
    weights = np.random.default_rng(0).uniform(0.05, 1, len(found)).astype(np.float32)
    return replace(found, rows=found.rows.set_column(found.rows.column_names.index("weight"), "weight", [weights]))


def parts_of(records, micro, workers, step=1):
    plan = Plan(len(records), 1, BATCH, micro, workers, 5)
    whole = records.whole(plan.records_of(step))
    chosen = [rows for worker in range(workers) for rows in plan.micro_batches(step, worker)]
    return plan.records_of(step), [(rows, records.batch(rows, whole)) for rows in chosen]


@pytest.mark.parametrize(("micro", "workers"), SHARED_OUT)
def test_parts_of_a_step_add_up_to_the_equation_of_the_whole_batch(records, micro, workers):
    step, parts = parts_of(records, micro, workers)
    vectors = torch.randn(len(records), records.users.shape[1], generator=torch.manual_seed(3), requires_grad=True)
    wanted = equation(vectors[step], records, step, 0.05)
    (gradient,) = torch.autograd.grad(wanted, vectors)
    loss = sum(contrastive_loss(vectors[rows], batch, 0.05) for rows, batch in parts)
    (found,) = torch.autograd.grad(loss, vectors)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.allclose(found, gradient, rtol=1e-4, atol=1e-6)
    assert gradient.abs().max() > 1e-3


def test_every_part_meets_the_negatives_and_rival_targets_of_all_records_of_its_step(records):
    step, parts = parts_of(records, 4, 2)
    rows = records.rows.take(step).to_pylist()
    items = sorted({item for row in rows for item in [*row["negatives"], row["target"]]})
    assert len(parts) == 4
    for chosen, batch in parts:
        assert np.array_equal(batch.negatives, records.catalogue[items])
        for place, row in enumerate(records.rows.take(chosen).to_pylist()):
            assert batch.wrong[place].tolist() == [item == row["target"] for item in items]
        assert batch.weight == pytest.approx(sum(row["weight"] for row in rows))


@pytest.mark.real
@pytest.mark.no_ray
@pytest.mark.parametrize("workers", [1, 2])
def test_the_gradient_that_deepspeed_steps_by_is_that_of_the_equation(tmp_path, workers):
    """A real engine for each way to share out a batch; its gradient just before the optimiser's step."""
    write_tables(tmp_path / "ws")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = os.path.join(os.path.dirname(__file__), "step_script.py")
    environment = {"DS_ACCELERATOR": "cpu", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, script, str(tmp_path / "ws"), str(tmp_path / "found.json")],
            env={**os.environ, **environment, "RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(workers)},
        )
        for rank in range(workers)
    ]
    assert [process.wait(timeout=300) for process in started] == [0] * workers
    ways = json.loads((tmp_path / "found.json").read_text())
    assert len(ways) == {1: 4, 2: 2}[workers]
    for way in ways:
        assert way["loss"] == pytest.approx(way["equation"], rel=1e-4), way
        assert way["gradient"] == pytest.approx(way["gradient_norm"], rel=1e-3), way
        assert way["apart"] < 1e-3 * way["gradient_norm"], way
        assert way["held_out"] == pytest.approx(way["held_out_equation"], rel=1e-4), way
