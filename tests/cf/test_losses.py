import math

import numpy as np
import torch

from hnlm_ray.cf.losses import PAIR_LOSSES, alignment, bpr, contrastive, l2, leads
from hnlm_ray.config import CFConfig


def test_bpr_by_hand():
    users, positives, negatives = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.ones(2, 2), torch.zeros(2, 2)
    expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-1))) / 2
    assert math.isclose(bpr(leads(users, positives, negatives)).mean().item(), expected, rel_tol=1e-6)


def test_bpr_stays_finite_where_a_sigmoid_saturates():
    rows = torch.full((1, 1), 30.0, requires_grad=True)
    loss = bpr(leads(rows, torch.zeros(1, 1), torch.full((1, 1), 30.0))).mean()
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


def test_hinge_by_hand():
    users, positives = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.1]])
    negatives = torch.zeros(2, 2)  # leads 1 and 0.1 of a margin of 0.3
    loss = PAIR_LOSSES["hinge"](CFConfig(loss="hinge")).value
    assert math.isclose(loss(leads(users, positives, negatives)).mean().item(), 0.2 / 2, rel_tol=1e-6)
    wide = PAIR_LOSSES["hinge"](CFConfig(loss="hinge", margin=1.5)).value
    assert math.isclose(wide(leads(users, positives, negatives)).mean().item(), (0.5 + 1.4) / 2, rel_tol=1e-6)


def test_contrastive_is_its_formula():
    user, item, hard = (torch.randn(6, 4, dtype=torch.float64) for _ in range(3))
    total = 0.0
    for u, i, h in zip(user.numpy(), item.numpy(), hard.numpy(), strict=True):
        near, far = (float(u @ x / np.linalg.norm(u) / np.linalg.norm(x)) for x in (i, h))
        total += -math.log(math.exp(near / 0.2) / (math.exp(near / 0.2) + math.exp(far / 0.2)))
    assert math.isclose(contrastive(user, item, hard, 0.2).item(), total / 6, rel_tol=1e-9)
    assert contrastive(user[:0], item[:0], hard[:0], 0.2).item() == 0


def test_alignment_is_its_formula_and_matches_direction_and_length():
    adapted, items = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    total = 0.0
    for a, e in zip(adapted.numpy(), items.numpy(), strict=True):
        long, short = np.linalg.norm(a), np.linalg.norm(e)
        total += 1 - a @ e / long / short + math.log(long / short) ** 2
    assert math.isclose(alignment(adapted, items).item(), total / 6, rel_tol=1e-9)
    assert alignment(items, items).item() < 1e-12
    assert math.isclose(alignment(2 * items, items).item(), math.log(2) ** 2, rel_tol=1e-9)
    assert torch.isfinite(alignment(torch.zeros(1, 4), torch.ones(1, 4)))
