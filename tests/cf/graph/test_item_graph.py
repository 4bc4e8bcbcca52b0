import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import MODELS, Trainer
from hnlm_ray.cf.graph.item_graph import add_neighbours, text_graph
from hnlm_ray.cf.kernels import neighbours as neighbours_module
from hnlm_ray.cf.models import ModelInputs
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01}


def literal_graph(data, k):
    """Every step as it is defined, in loops over items."""
    text = data.item_text.astype(float) - data.item_text.astype(float).mean(0)
    n = data.items
    cosines = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in text] for a in text])
    matrix = np.zeros((n, n))
    for item in range(n):
        others = sorted((other for other in range(n) if other != item), key=lambda other: -cosines[item, other])
        for other in others[:k]:
            if cosines[item, other] > 0:
                matrix[item, other] = matrix[other, item] = 1
    degree = np.maximum(matrix.sum(1), 1)
    return matrix / np.sqrt(np.outer(degree, degree))


def build(data, **values):
    streams = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    config = CFConfig(dim=5, init="xavier_uniform", **values)
    return MODELS["lightgcn"](ModelInputs(data, config, *streams, torch.device("cpu")))


@pytest.mark.parametrize("k", [1, 10, 79, 500])
def test_the_graph_is_symmetric_normalised_and_of_text_neighbours(texted, k, monkeypatch):
    monkeypatch.setattr(neighbours_module, "ROWS_PER_BLOCK", 33)
    graph = text_graph(texted, CFConfig(graph=1.0, graph_neighbours=k), "cpu")
    np.testing.assert_allclose(graph.to_sparse_csr().to_dense().numpy(), literal_graph(texted, k), atol=1e-6)


def test_forward_and_gradient_equal_autograd_over_dense_matrices(texted):
    model = build(texted, graph=0.3, graph_neighbours=4)
    plain, matrix = build(texted), torch.from_numpy(literal_graph(texted, 4))
    table = model.table.detach().double().requires_grad_()
    adjacency = plain.adjacency.to_sparse_csr().to_dense().double()
    final = (table + adjacency @ table + adjacency @ adjacency @ table) / 3
    expected = torch.cat([final[: texted.users], final[texted.users :] + 0.3 * matrix @ final[texted.users :]])
    torch.testing.assert_close(model().double(), expected, atol=1e-6, rtol=0)
    upstream = torch.randn(expected.shape)
    model().backward(upstream)
    expected.backward(upstream.double())
    torch.testing.assert_close(model.table.grad.double(), table.grad, atol=1e-5, rtol=0)


def test_gradient_by_finite_differences(texted):
    graph = text_graph(texted, CFConfig(graph=1.0, graph_neighbours=3), "cpu")
    graph.values = graph.values.double()
    x = torch.randn(texted.users + texted.items, 2, dtype=torch.float64, requires_grad=True)
    before = x.detach().clone()
    assert torch.autograd.gradcheck(lambda given: add_neighbours(given, graph, 0.6, texted.users)[50:].square(), (x,))
    assert torch.equal(x.detach(), before)


def test_weight_0_is_plain_lightgcn_bit_for_bit_and_above_0_is_not(texted, data):
    runs = []
    for given, weight in ((data, 0.0), (texted, 0.0), (texted, 0.5)):
        trainer = Trainer(given, CFConfig(graph=weight, **SMALL), 1)
        trainer.run_epoch()
        runs.append(trainer.model.embeddings()[1])
    assert torch.equal(runs[0], runs[1])
    assert not torch.allclose(runs[1], runs[2])


def test_text_that_tells_the_groups_helps_items_without_positives(make_planted, make_texted):
    """Cold items get their neighbours' embeddings, so they score higher for their group's users."""
    data = make_texted(make_planted(users=40, items=200, per_user=10))
    cold = np.flatnonzero(data.train.popularity(data.items) == 0)
    assert len(cold) > 20
    leads = []
    for weight in (0.0, 1.0):
        trainer = Trainer(data, CFConfig(graph=weight, **{**SMALL, "lr": 0.03}), 1)
        for _ in range(40):
            trainer.run_epoch()
        users, items = trainer.model.embeddings()
        scores = (users @ items[cold].T).numpy()
        own = (np.arange(data.users) % 4)[:, None] == (cold % 4)[None, :]
        leads.append((scores[own].mean() - scores[~own].mean()) / scores.std())
    assert leads[1] > leads[0] + 0.3


def test_a_graph_without_text_or_without_lightgcn_is_refused(data, texted):
    with pytest.raises(InputError, match="needs the items' text vectors"):
        Trainer(data, CFConfig(graph=0.5, **SMALL), 1)
    with pytest.raises(InputError, match="not of 'mf'"):
        Trainer(texted, CFConfig(model="mf", graph=0.5, **SMALL), 1)
