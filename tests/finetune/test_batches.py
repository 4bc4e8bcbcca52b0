from itertools import pairwise

import numpy as np
import torch
from finetune_tables import finetune_config, vectors_of, write_tables
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.finetune.batches import Plan, contrastive_loss, learning_rate_factor, read_records, shares
from hnlm_ray.finetune.model import query_encoder


@given(st.integers(1, 200), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_each_epoch_computes_every_record_and_each_step_as_many(records, epochs, accumulate, micro, workers):
    plan = Plan(records, epochs, accumulate * micro * workers, micro, workers, 5)
    for epoch in range(epochs):
        seen = []
        for step in range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch):
            parts = [plan.micro_batches(step, worker) for worker in range(workers)]
            assert all(len(part) == accumulate and all(len(rows) == micro for rows in part) for part in parts)
            seen += [row for part in parts for rows in part for row in rows]
        assert set(seen) == set(range(records))


def test_a_step_is_the_same_whenever_it_is_asked_for_and_epochs_differ():
    plan = Plan(40, 2, 8, 4, 2, 5)
    assert plan.micro_batches(3, 1) == plan.micro_batches(3, 1)
    assert plan.micro_batches(0, 0) != plan.micro_batches(plan.steps_per_epoch, 0)


@given(st.integers(0, 60), st.integers(1, 5), st.integers(1, 4))
def test_shares_hold_each_record_once_and_workers_go_through_as_many_micro_batches(records, micro, workers):
    parts = [shares(records, micro, workers, worker) for worker in range(workers)]
    assert sorted(row for part in parts for rows in part for row in rows) == list(range(records))
    assert len({len(part) for part in parts}) == 1


def test_the_learning_rate_rises_then_falls_to_zero():
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert factors[9] == 1
    assert factors[100] == 0
    assert all(a < b for a, b in pairwise(factors[:10]))
    assert all(a > b for a, b in pairwise(factors[10:]))


def test_a_batch_has_each_records_own_vectors_and_marks_its_target_among_the_negatives(tmp_path):
    config = finetune_config(tmp_path)
    workspace = write_tables(tmp_path)
    records = read_records(workspace, "train", query_encoder(config))
    users, items = vectors_of("users"), vectors_of("items")
    chosen = [5, 2, 9, 30]
    batch, rows = records.batch(chosen), records.rows.take(chosen).to_pylist()
    negatives = sorted({item for row in rows for item in row["negatives"]})
    for n, row in enumerate(rows):
        assert np.array_equal(batch.users[n], users[row["user"]])
        assert np.array_equal(batch.items[n], items[row["item"]])
        assert np.array_equal(batch.targets[n], items[row["target"]])
        assert batch.wrong[n].tolist() == [item == row["target"] for item in negatives]
    assert np.array_equal(batch.negatives, items[negatives])


def test_the_loss_is_the_papers_formula(tmp_path):
    config = finetune_config(tmp_path)
    records = read_records(write_tables(tmp_path), "train", query_encoder(config))
    batch = records.batch(range(8))
    queries = torch.randn(8, batch.users.shape[1])

    def cos(a, b):
        return float(a @ b / (a.norm() * b.norm()))

    wanted = 0.0
    for a in range(8):
        terms = [
            np.log1p(np.exp(-(cos(queries[a], batch.targets[a]) - cos(queries[a], negative)) / 0.05))
            for negative, wrong in zip(batch.negatives, batch.wrong[a], strict=True)
            if not wrong
        ]
        wanted += float(batch.weights[a]) * np.mean(terms)
    wanted /= float(batch.weights.sum())
    assert abs(float(contrastive_loss(queries, batch, 0.05)) - wanted) < 1e-3
    perfect = float(contrastive_loss(batch.targets, batch, 0.05))
    assert perfect < wanted
