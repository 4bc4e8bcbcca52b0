import io
import math

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, DivergedError, Positives, Trainer
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01, "candidates": 3, "epochs": 5}


def table(trainer):
    return trainer.model.table.detach()


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_steps_equal_a_literal_reference_with_plain_adam(data, model):
    """The same batches and negatives through dense matrices, autograd and unfused Adam."""
    trainer = Trainer(data, CFConfig(model=model, reg=0.01, **SMALL), 3)
    reference = table(trainer).clone().double().requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=0.01)
    matrix = trainer.model.adjacency.to_sparse_csr().to_dense().double() if model == "lightgcn" else None
    sample, losses = trainer.sampler.sample, []

    @torch.enable_grad()
    def recording(batch, embeddings):
        negatives = sample(batch, embeddings)
        final = reference
        if matrix is not None:
            final = (reference + matrix @ reference + matrix @ matrix @ reference) / 3
        index = (batch.users, data.users + batch.items, data.users + negatives.items)
        user, positive, negative = (final[rows] for rows in index)
        ranking = -torch.log(torch.sigmoid((user * positive).sum(1) - (user * negative).sum(1))).mean()
        norms = sum(reference[rows].norm(2).pow(2) for rows in index) / 2 / len(batch.users)
        loss = ranking + 0.01 * norms
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append((loss.item(), len(batch.users)))
        return negatives

    trainer.sampler.sample = recording
    report = trainer.run_epoch()
    assert len(losses) == 5
    torch.testing.assert_close(table(trainer).double(), reference.detach(), atol=2e-5, rtol=0)
    assert report.loss == pytest.approx(sum(loss * rows for loss, rows in losses) / 480, abs=1e-6)
    assert report.epoch == 1


def test_every_pair_is_trained_on_once_an_epoch_in_a_new_order(data):
    trainer = Trainer(data, CFConfig(**SMALL), 3)
    first, second = (torch.cat([batch.edges for batch in trainer._batches()]) for _ in range(2))
    assert sorted(first.tolist()) == list(range(len(data.train)))
    assert sorted(second.tolist()) == list(range(len(data.train)))
    assert not torch.equal(first, second)
    batch = next(iter(trainer._batches()))
    users, items = data.train.pairs()
    assert np.array_equal(users[batch.edges], batch.users)
    assert np.array_equal(items[batch.edges], batch.items)


@pytest.mark.parametrize("sampler", ["rns", "pns", "dns", "pool"])
@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_resuming_is_equal_bit_for_bit(pooled, model, sampler):
    config = CFConfig(model=model, sampler=sampler, base_sampler="dns", **SMALL)
    straight = Trainer(pooled, config, 11)
    losses = [straight.run_epoch().loss for _ in range(4)]
    first = Trainer(pooled, config, 11)
    first.run_epoch()
    first.run_epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = Trainer(pooled, config, 999)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.run_epoch().loss for _ in range(2)] == losses[2:]
    assert torch.equal(table(resumed), table(straight))
    assert resumed.epoch == 4


def test_a_seed_repeats_and_another_differs(data):
    runs = [Trainer(data, CFConfig(**SMALL), seed) for seed in (1, 1, 2)]
    for run in runs:
        run.run_epoch()
    assert torch.equal(table(runs[0]), table(runs[1]))
    assert not torch.allclose(table(runs[0]), table(runs[2]))


def test_samplers_start_from_the_same_model_and_the_same_order(data):
    runs = [Trainer(data, CFConfig(sampler=name, **SMALL), 1) for name in ("rns", "dns")]
    assert torch.equal(table(runs[0]), table(runs[1]))
    orders = [torch.cat([batch.edges for batch in run._batches()]) for run in runs]
    assert torch.equal(*orders)


@pytest.mark.parametrize("base", ["rns", "pns", "dns"])
def test_alpha_0_is_its_base_sampler_bit_for_bit(pooled, base):
    mixed = Trainer(pooled, CFConfig(sampler="pool", alpha=0.0, base_sampler=base, **SMALL), 5)
    alone = Trainer(pooled, CFConfig(sampler=base, **SMALL), 5)
    for _ in range(3):
        assert mixed.run_epoch().loss == alone.run_epoch().loss
    assert torch.equal(table(mixed), table(alone))


def test_alpha_above_0_trains_another_model(pooled):
    mixed = Trainer(pooled, CFConfig(sampler="pool", alpha=0.5, **SMALL), 5)
    alone = Trainer(pooled, CFConfig(sampler="rns", **SMALL), 5)
    assert mixed.run_epoch().loss != alone.run_epoch().loss


def test_the_mixed_negative_is_the_row_that_the_loss_sees(pooled):
    """alpha 1 on a covered pair: only the pool item's row gets the negative's gradient."""
    trainer = Trainer(pooled, CFConfig(model="mf", sampler="pool", alpha=1.0, reg=0, **SMALL), 5)
    edge = int(np.flatnonzero(np.diff(pooled.pool.indptr) > 0)[0])
    batch = next(batch for batch in trainer._batches() if edge in batch.edges)
    one = type(batch)(*(column[batch.edges == edge] for column in (batch.users, batch.items, batch.edges)))
    trainer._step(one)
    touched = trainer.model.table.grad.abs().sum(1).nonzero().squeeze(1) - pooled.users
    entries = pooled.pool.items[pooled.pool.indptr[edge] : pooled.pool.indptr[edge + 1]]
    items = set(touched[touched >= 0].tolist())
    assert len(items) == 2
    assert items - {int(one.items)} <= set(entries.tolist())


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("sampler", ["rns", "dns", "pool"])
def test_planted_structure_is_learnt(make_planted, make_pooled, model, sampler):
    data = make_pooled(make_planted(users=120, seed=4), seed=1)
    config = CFConfig(model=model, sampler=sampler, dim=16, lr=0.02, batch_size=256, alpha=0.2, candidates=3)
    trainer = Trainer(data, config, 0)
    untrained = trainer.evaluate("test").means["ndcg@20"]
    losses = [trainer.run_epoch().loss for _ in range(25)]
    trained = trainer.evaluate("test").means["ndcg@20"]
    assert losses[-1] < losses[0]
    assert trained > 1.5 * untrained


def test_users_who_know_everything_are_skipped_and_counted():
    train = Positives.from_pairs([0, 0, 0, 1], [0, 1, 2, 2], 2)
    trainer = Trainer(CFData(2, 3, train), CFConfig(**SMALL), 0)
    assert trainer.skipped_pairs == 3
    assert math.isfinite(trainer.run_epoch().loss)
    with pytest.raises(InputError, match="no training pair"):
        Trainer(CFData(1, 2, Positives.from_pairs([0, 0], [0, 1], 1)), CFConfig(**SMALL), 0)


def test_a_loss_that_is_not_finite_is_an_error(data):
    trainer = Trainer(data, CFConfig(**SMALL), 0)
    with torch.no_grad():
        trainer.model.table[3] = torch.inf
    with pytest.raises(DivergedError, match=r"loss of epoch 1 .* cf\.lr 0\.01"):
        trainer.run_epoch()


def test_validation_none_trains_on_validation_and_masks_it_in_test(data):
    trainer = Trainer(data, CFConfig(validation="none", **SMALL), 0)
    assert len(trainer.data.train) == len(data.train) + len(data.validation)
    assert len(trainer.evaluate("test").users) == data.users
    with pytest.raises(InputError, match="'validation'"):
        trainer.evaluate("validation")
