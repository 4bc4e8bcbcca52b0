"""Gradients written out against autograd, rowwise steps against dense ones, and an independent plain script."""

import numpy as np
import pytest
import torch

from hnlm_ray.cf import Trainer
from hnlm_ray.cf.training import trainer
from hnlm_ray.cf.training.steps import AutogradSteps, CatalogueSteps, ClosedSteps, RowwiseSteps, SomeRowsSteps
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 60, "lr": 0.01, "candidates": 4, "reg": 0.01, "epochs": 3}


def run(data, epochs, **values):
    training = Trainer(data, CFConfig(**{**SMALL, **values}), 5)
    losses = [training.run_epoch().loss for _ in range(epochs)]
    return training, losses


OTHER_ADAM = {"adam": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.01}}


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("loss", ["bpr", "hinge"])
@pytest.mark.parametrize("sampler", ["rns", "pns", "dns", "pool", "dns_mn", "ahns"])
def test_closed_gradients_are_those_of_autograd(pooled, model, loss, sampler):
    values = {"model": model, "loss": loss, "sampler": sampler, "alpha": 0.4}
    closed, reference = (
        Trainer(pooled, CFConfig(**SMALL, **values, gradients=gradients), 5) for gradients in ("closed", "autograd")
    )
    assert (type(closed.steps), type(reference.steps)) == (ClosedSteps, AutogradSteps)
    for ours, theirs in zip(closed._batches(), reference._batches(), strict=True):
        reference.model.load_state_dict(closed.model.state_dict())
        torch.testing.assert_close(closed._step(ours), reference._step(theirs), atol=1e-6, rtol=0)
        torch.testing.assert_close(closed.model.table.grad, reference.model.table.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("sampler", ["rns", "pool", "dns_mn"])
def test_an_epoch_of_closed_steps_is_that_of_autograd(pooled, model, sampler):
    closed, losses = run(pooled, 1, model=model, sampler=sampler)
    reference, theirs = run(pooled, 1, model=model, sampler=sampler, gradients="autograd")
    np.testing.assert_allclose(losses, theirs, atol=1e-6)
    torch.testing.assert_close(closed.model.table, reference.model.table, atol=2e-5, rtol=0)


def test_lightgcn_with_an_item_graph_is_closed_as_well(texted):
    closed, losses = run(texted, 2, graph=0.3)
    _, theirs = run(texted, 2, graph=0.3, gradients="autograd")
    assert type(closed.steps) is ClosedSteps
    np.testing.assert_allclose(losses, theirs, atol=1e-5)


def test_what_has_no_closed_form_is_left_to_autograd(vectored):
    for values in (
        {"bias": True, "model": "mf"},
        {"sampler": "vectors"},
        {"sampler": "mixgcf"},
        {"loss": "softmax", "bias": True, "model": "mf"},
    ):
        assert type(Trainer(vectored, CFConfig(**{**SMALL, **values}), 0).steps) is AutogradSteps


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("values", [{"loss": "softmax"}, {"loss": "softmax", "similarity": "dot"}, {"loss": "sfcml"}])
def test_gradients_over_the_catalogue_are_those_of_autograd(data, model, values):
    values = dict(values)
    softmax = {"similarity": values.pop("similarity", "cosine")}
    closed, reference = (
        Trainer(data, CFConfig(**SMALL, **values, model=model, softmax=softmax, gradients=gradients), 5)
        for gradients in ("closed", "autograd")
    )
    assert (type(closed.steps), type(reference.steps)) == (CatalogueSteps, AutogradSteps)
    for ours, theirs in zip(closed._batches(), reference._batches(), strict=True):
        reference.model.load_state_dict(closed.model.state_dict())
        torch.testing.assert_close(closed._step(ours), reference._step(theirs), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(closed.model.table.grad, reference.model.table.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", ["bpr", "hinge"])
@pytest.mark.parametrize("sampler", ["rns", "pns"])
def test_rowwise_steps_train_the_dense_model(data, monkeypatch, loss, sampler):
    dense, losses = run(data, 3, model="mf", loss=loss, sampler=sampler)
    monkeypatch.setattr(trainer, "pays_rowwise", lambda *_: True)
    rowwise, theirs = run(data, 3, model="mf", loss=loss, sampler=sampler)
    assert type(rowwise.steps) is RowwiseSteps
    assert type(dense.steps) is ClosedSteps
    np.testing.assert_allclose(losses, theirs, atol=1e-5)
    torch.testing.assert_close(rowwise.model.table, dense.model.table, atol=5e-5, rtol=0)


def test_rowwise_steps_are_taken_where_they_pay(make_planted):
    small, wide = make_planted(), make_planted(users=400, items=90)
    for data, batch, kind in ((small, 60, ClosedSteps), (wide, 10, RowwiseSteps)):
        assert type(Trainer(data, CFConfig(model="mf", dim=4, batch_size=batch), 0).steps) is kind
    for other in ({"sampler": "dns"}, {"model": "lightgcn"}, {"optimiser": "adagrad"}, {"bias": True}, OTHER_ADAM):
        config = CFConfig(**{"model": "mf", "dim": 4, "batch_size": 10, **other})
        assert type(Trainer(wide, config, 0).steps) is not RowwiseSteps


def test_other_values_of_adam_are_those_of_torch(make_planted):
    trainer = Trainer(
        make_planted(users=400, items=90), CFConfig(model="mf", dim=4, batch_size=10, lr=0.01, **OTHER_ADAM), 0
    )
    weight = trainer.model.table.detach().clone().requires_grad_()
    adam = torch.optim.Adam([weight], lr=0.01, betas=(0.5, 0.9), eps=0.01)
    for batch, _ in zip(trainer._batches(), range(8), strict=False):
        trainer._step(batch)
        weight.grad = trainer.model.table.grad.clone()
        adam.step()
    torch.testing.assert_close(trainer.model.table.detach(), weight.detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("sampler", ["rns", "pool"])
def test_steps_by_rows_are_those_of_all_nodes(pooled, monkeypatch, layers, precision, sampler):
    apart = 1e-6 if precision == "float32" else 1e-3
    values = {"model": "lightgcn", "layers": layers, "precision": precision, "sampler": sampler}
    whole, losses = run(pooled, 2, **values)
    monkeypatch.setattr(trainer, "pays_by_rows", lambda *_: True)
    rows, theirs = run(pooled, 2, **values)
    assert (type(whole.steps), type(rows.steps)) == (ClosedSteps, SomeRowsSteps)
    np.testing.assert_allclose(losses, theirs, atol=apart)
    # Adam turns a gradient's last digit into a share of its step.
    torch.testing.assert_close(rows.model.table, whole.model.table, atol=30 * apart, rtol=0)


def test_steps_by_rows_are_taken_where_they_pay(make_planted, texted):
    wide = make_planted(users=400, items=90)
    by_rows = CFConfig(model="lightgcn", dim=4, batch_size=10)
    assert type(Trainer(wide, by_rows, 0).steps) is SomeRowsSteps
    for other in ({"batch_size": 100}, {"sampler": "dns"}, {"layers": 0}, {"gradients": "autograd"}):
        config = CFConfig(**{**by_rows.model_dump(), **other})
        assert type(Trainer(wide, config, 0).steps) is not SomeRowsSteps
    assert type(Trainer(texted, CFConfig(model="lightgcn", batch_size=4, graph=0.3), 0).steps) is ClosedSteps


def test_eight_adam_steps_of_lightgcn_equal_a_plain_script(data):
    """Dense matrices, torch's own autograd and unfused Adam; nothing of the engine but its draws."""
    training = Trainer(data, CFConfig(**{**SMALL, "layers": 3, "lr": 1e-3, "reg": 1e-4}), 1)
    users, items = data.train.pairs()
    ratings = torch.zeros(data.users, data.items, dtype=torch.float64)
    ratings[users.astype(np.int64), items.astype(np.int64)] = 1
    nodes = data.users + data.items
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    adjacency[: data.users, data.users :] = ratings
    adjacency[data.users :, : data.users] = ratings.T
    degree = adjacency.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1) ** -0.5, torch.zeros(()))
    adjacency = scale[:, None] * adjacency * scale[None, :]
    weight = training.model.table.detach().double().clone().requires_grad_()
    adam = torch.optim.Adam([weight], lr=1e-3)
    sample = training.sampler.sample
    for number, batch in enumerate(training._batches()):
        if number == 8:
            break
        drawn = []
        training.sampler.sample = lambda *given, drawn=drawn: drawn.append(sample(*given)) or drawn[-1]
        training._step(batch)
        layers = [weight]
        for _ in range(3):
            layers.append(adjacency @ layers[-1])
        final = torch.stack(layers).mean(0)
        u, i, j = batch.users, data.users + batch.items, data.users + drawn[0].items
        lead = (final[u] * final[i]).sum(1) - (final[u] * final[j]).sum(1)
        norms = sum(weight[rows].square().sum() for rows in (u, i, j)) / 2 / len(u)
        loss = -torch.nn.functional.logsigmoid(lead).mean() + 1e-4 * norms
        adam.zero_grad()
        loss.backward()
        adam.step()
        torch.testing.assert_close(training.model.table.double(), weight, atol=1e-6, rtol=0, check_dtype=False)
