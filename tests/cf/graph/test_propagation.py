import numpy as np
import pytest
import torch

from hnlm_ray.cf.graph import propagation
from hnlm_ray.cf.graph.propagation import Adjacency, propagate, sum_of_powers
from hnlm_ray.cf.kernels.rows import gather_rows


def dense_adjacency(data):
    """D^-1/2 [[0, R], [R^T, 0]] D^-1/2, written out."""
    n = data.users + data.items
    matrix = np.zeros((n, n))
    for user, item in zip(*data.train.pairs(), strict=True):
        matrix[user, data.users + item] = matrix[data.users + item, user] = 1
    degree = np.maximum(matrix.sum(1), 1)
    return torch.from_numpy(matrix / np.sqrt(degree)[:, None] / np.sqrt(degree)[None, :])


def mean_of_layers(matrix, x, layers):
    outputs = [x]
    for _ in range(layers):
        outputs.append(matrix @ outputs[-1])
    return torch.stack(outputs).mean(0)


def test_the_matrix_is_the_symmetric_normalised_adjacency(data):
    adjacency = Adjacency(data.train, data.items)
    dense = adjacency.to_sparse_csr().to_dense()
    torch.testing.assert_close(dense.double(), dense_adjacency(data), atol=1e-6, rtol=0)
    x = torch.randn(data.users + data.items, 5)
    torch.testing.assert_close(adjacency.matmul(x), adjacency.to_sparse_csr() @ x, atol=1e-6, rtol=0)
    assert adjacency.columns.dtype == torch.int32


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_forward_and_backward_equal_autograd_over_the_dense_matrix(data, layers):
    matrix = dense_adjacency(data)
    ours = torch.randn(data.users + data.items, 7, requires_grad=True)
    theirs = ours.detach().double().requires_grad_()
    upstream = torch.randn(data.users + data.items, 7)
    out = propagate(ours, Adjacency(data.train, data.items), layers)
    reference = mean_of_layers(matrix, theirs, layers)
    torch.testing.assert_close(out.double(), reference, atol=1e-6, rtol=0)
    out.backward(upstream)
    reference.backward(upstream.double())
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)


def test_gradient_by_finite_differences(data):
    adjacency = Adjacency(data.train, data.items)
    adjacency.values = adjacency.values.double()
    x = torch.randn(data.users + data.items, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda table: propagate(table, adjacency, 2)[:40].square(), (x,))


def test_the_input_is_left_as_it_was(data):
    x = torch.randn(data.users + data.items, 3)
    before = x.clone()
    for layers in (0, 2):
        propagate(x, Adjacency(data.train, data.items), layers).zero_()
    assert torch.equal(x, before)


def test_a_node_without_edges_keeps_only_its_own_share(make_planted):
    data = make_planted(items=400)
    lonely = int(np.flatnonzero(data.train.popularity(data.items) == 0)[0]) + data.users
    x = torch.randn(data.users + data.items, 3)
    out = propagate(x, Adjacency(data.train, data.items), 2)
    torch.testing.assert_close(out[lonely], x[lonely] / 3)


def test_gathered_rows_and_their_gradient_equal_autograd():
    table = torch.randn(20, 4, requires_grad=True)
    twin = table.detach().clone().requires_grad_()
    indices = [torch.randint(20, (30,)) for _ in range(3)]
    weights = [torch.randn(30, 4) for _ in indices]
    for source, rows in ((table, gather_rows(table, *indices)), (twin, [twin[index] for index in indices])):
        sum((row.sigmoid() * weight).sum() for row, weight in zip(rows, weights, strict=True)).backward()
        assert source.grad is not None
    torch.testing.assert_close(table.grad, twin.grad, atol=1e-6, rtol=0)


def test_long_rows_are_summed_with_the_values_taken_apart(make_planted, monkeypatch):
    monkeypatch.setattr(propagation, "ENTRIES_PER_NODE", 1)
    data = make_planted(users=30, items=200, per_user=12)
    apart = Adjacency(data.train, data.items)
    monkeypatch.setattr(propagation, "ENTRIES_PER_NODE", 10**6)
    whole = Adjacency(data.train, data.items)
    assert whole.scale is None
    assert (apart.scale == 0).any()  # items that nobody has
    x = torch.randn(apart.nodes, 8, generator=torch.Generator().manual_seed(0))
    for layers in range(4):
        torch.testing.assert_close(sum_of_powers(apart, x, layers), sum_of_powers(whole, x, layers))
