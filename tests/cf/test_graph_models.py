"""NGCF, SGL, SimGCL and XSimGCL against dense float64 formulas, term by term, with the noise that was drawn."""

import pytest
import torch

from hnlm_ray.cf import Trainer
from hnlm_ray.cf.models import simgcl, xsimgcl
from hnlm_ray.cf.noise import add_noise
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "layers": 2, "batch_size": 90, "lr": 0.01, "reg": 0.01, "epochs": 4}
GRAPH_MODELS = ("ngcf", "sgl", "simgcl", "xsimgcl")


def dense(matrix):
    return matrix.to_sparse_csr().to_dense().double()


def literal_contrast(first, second, batch, users, temperature):
    """Item by item and user by user over the batch's nodes, each once."""
    total = 0
    for nodes in (sorted(set(batch.users.tolist())), sorted({users + item for item in batch.items.tolist()})):
        a, b = (view[nodes] / view[nodes].norm(dim=1, keepdim=True) for view in (first, second))
        for n in range(len(nodes)):
            odds = torch.exp(b @ a[n] / temperature)
            total = total - torch.log(odds[n] / odds.sum()) / len(nodes)
    return total


class Recorder:
    """Keeps the noise and the negatives that one step drew."""

    def __init__(self, trainer, monkeypatch):
        self.noise, self.negatives = [], []
        sample = trainer.sampler.sample
        trainer.sampler.sample = lambda *given: self.negatives.append(sample(*given)) or self.negatives[-1]
        for module in (simgcl, xsimgcl):
            monkeypatch.setattr(module, "add_noise", self.add)

    def add(self, x, length, generator):
        before = x.clone()
        add_noise(x, length, generator)
        self.noise.append((x - before).double())


def split_noise(trainer, batch, noise, layers):
    """The noise of each layer, whole tables: of a last layer only the batch's rows are drawn, the rest is not read."""
    users, whole = trainer.data.users, []
    nodes = sorted(set(batch.users.tolist())) + sorted({users + item for item in batch.items.tolist()})
    for drawn in noise:
        table = torch.zeros(len(trainer.model.table), drawn.shape[1], dtype=torch.float64)
        table[slice(None) if len(drawn) == len(table) else nodes] = drawn
        whole.append(table)
    return [whole[start : start + layers] for start in range(0, len(whole), layers)]


def mean_of(matrix, table, layers, noise=None):
    """The layers 1..L with their noise, and their mean."""
    found = [table]
    for number in range(layers):
        found.append(matrix @ found[-1] + (0 if noise is None else noise[number]))
    return found[1:], sum(found[1:]) / layers


def sgl(trainer, table, batch, _noise, matrix):
    layers = trainer.config.layers

    def lightgcn(a):
        return (table + sum(mean_of(a, table, layers)[0])) / (layers + 1)

    return lightgcn(matrix), [lightgcn(dense(view)) for view in trainer.model.views]


def simgcl_(trainer, table, batch, noise, matrix):
    layers = trainer.config.layers
    views = [mean_of(matrix, table, layers, own)[1] for own in split_noise(trainer, batch, noise, layers)]
    return mean_of(matrix, table, layers)[1], views


def xsimgcl_(trainer, table, batch, noise, matrix):
    found, final = mean_of(matrix, table, trainer.config.layers, noise)
    return final, (final, found[trainer.config.ssl.layer - 1])


def ngcf_(trainer, table, batch, _noise, matrix, weights=None):
    """Equation 7 row by row, without dropout."""
    weights = trainer.model.weights.detach().double() if weights is None else weights
    found = [table]
    x = table
    for own, product in weights:
        side = matrix @ x
        z = (side + x) @ own + (side * x) @ product
        x = torch.where(z > 0, z, 0.2 * z)
        found.append(x / x.norm(dim=1, keepdim=True))
    return torch.cat(found, 1), None


LITERAL = {"ngcf": ngcf_, "sgl": sgl, "simgcl": simgcl_, "xsimgcl": xsimgcl_}


def bpr(final, table, batch, negatives, users):
    index = (batch.users, users + batch.items, users + negatives.items)
    user, positive, negative = (final[rows] for rows in index)
    ranking = -torch.log(torch.sigmoid((user * positive).sum(1) - (user * negative).sum(1))).mean()
    return ranking + 0.01 * sum(table[rows].square().sum() for rows in index) / 2 / len(batch.users)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("name", "ssl"),
    [
        ("ngcf", {}),
        ("sgl", {}),
        ("sgl", {"views": "node"}),
        ("simgcl", {}),
        ("xsimgcl", {}),
        ("xsimgcl", {"layer": 3}),
    ],
)
def test_loss_and_gradient_are_those_of_the_dense_formulas(data, monkeypatch, name, ssl, layers):
    ssl = {"weight": 0.7, "temperature": 0.3, "drop": 0.3, **ssl}
    ssl["layer"] = min(ssl.get("layer", 1), layers)
    trainer = Trainer(data, CFConfig(**{**SMALL, "model": name, "layers": layers, "dropout": 0, "ssl": ssl}), 3)
    trainer.model.start_epoch()
    record = Recorder(trainer, monkeypatch)
    twins = [value.detach().double().clone().requires_grad_() for value in trainer.model.parameters()]
    batch = next(iter(trainer._batches()))
    loss = trainer._step(batch)
    matrix = dense(trainer.model.adjacency)
    final, views = LITERAL[name](trainer, twins[0], batch, record.noise, matrix, *twins[1:])
    expected = bpr(final, twins[0], batch, record.negatives[0], data.users)
    if views is not None:
        expected = expected + 0.7 * literal_contrast(*views, batch, data.users, 0.3)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for ours, theirs in zip(trainer.model.parameters(), twins, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-5, rtol=1e-5)
