import math

import torch

from hnlm_ray.cf.losses import bpr, l2


def test_bpr_by_hand():
    users, positives, negatives = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.ones(2, 2), torch.zeros(2, 2)
    expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-1))) / 2
    assert math.isclose(bpr(users, positives, negatives).item(), expected, rel_tol=1e-6)


def test_bpr_stays_finite_where_a_sigmoid_saturates():
    rows = torch.full((1, 1), 30.0, requires_grad=True)
    loss = bpr(rows, torch.zeros(1, 1), torch.full((1, 1), 30.0))
    loss.backward()
    assert loss.item() == 900.0
    assert rows.grad.item() == 30.0


def test_l2_is_half_the_squared_norm_over_the_batch_and_so_is_its_gradient():
    rows = [torch.randn(5, 3, requires_grad=True) for _ in range(3)]
    twins = [row.detach().clone().requires_grad_() for row in rows]
    ours, reference = l2(*rows), sum(twin.square().sum() for twin in twins) / 2 / 5
    torch.testing.assert_close(ours, reference)
    (3 * ours).backward()
    (3 * reference).backward()
    for row, twin in zip(rows, twins, strict=True):
        torch.testing.assert_close(row.grad, twin.grad, atol=1e-6, rtol=0)
