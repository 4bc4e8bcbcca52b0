"""Losses over the catalogue against their formulas, item by item, in float64."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from hnlm_ray.cf import Trainer
from hnlm_ray.cf.losses import catalogue_loss, sampled_softmax, sfcml_block, shared_softmax, softmax_block
from hnlm_ray.cf.losses.catalogue import Block, distilling_block
from hnlm_ray.config import CFConfig


def batch(owners=5, items=9, seed=0):
    rng = np.random.default_rng(seed)
    liked = [np.sort(rng.choice(items, rng.integers(1, items - 1), replace=False)) for _ in range(owners)]
    row = torch.from_numpy(np.repeat(np.arange(owners), [len(own) for own in liked]))
    counts = torch.tensor([[float(len(own))] for own in liked])
    block = Block(torch.arange(owners) + 3, row, torch.from_numpy(np.concatenate(liked)), counts, len(row), owners)
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randn(n, 4, generator=generator) for n in (owners, items)]
    return block, liked, rows


def both(block_loss, literal, cells, temperature=1.0):
    block, liked, (users, items) = batch()
    ours = [rows.clone().requires_grad_() for rows in (users, items)]
    theirs = [rows.double().clone().requires_grad_() for rows in (users, items)]
    loss = catalogue_loss(*ours, block, block_loss, temperature=temperature, cells=cells)
    expected = literal(theirs[0] @ theirs[1].T / temperature, liked, theirs)
    (2 * loss).backward()
    (2 * expected).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad.double(), other.grad, atol=2e-6, rtol=1e-5)


def softmax(scores, liked, _rows=None):
    total = scores.new_zeros(())
    for user, own in enumerate(liked):
        for item in own:
            total = total - scores[user, item] + torch.log(torch.exp(scores[user]).sum())
    return total / sum(len(own) for own in liked)


@pytest.mark.parametrize("cells", [1, 20, 10**6])
def test_exact_softmax(cells):
    both(softmax_block, softmax, cells, temperature=0.3)


@pytest.mark.parametrize("cells", [1, 10**6])
def test_distillation(cells):
    teacher = torch.randn(20, 9, generator=torch.Generator().manual_seed(8)).double() * 7

    def literal(scores, liked, _rows):
        total = softmax(scores, liked)
        pairs = sum(len(own) for own in liked)
        for user, own in enumerate(liked):
            z = teacher[3 + user]
            z = (z - z.mean()) / z.std(correction=0)
            soft = torch.softmax(z / 2.5, 0)
            divergence = sum(soft[i] * (torch.log(soft[i]) - torch.log_softmax(scores[user], 0)[i]) for i in range(9))
            total = total + 0.4 * divergence * len(own) / pairs
        return total

    loss = partial(distilling_block, weight=0.4, temperature=2.5, teacher=lambda users: teacher[users].float())
    both(loss, literal, cells, temperature=0.3)


def test_a_teacher_is_asked_where_its_scores_are(data):
    class Elsewhere:
        items, device, asked = data.items, torch.device("meta"), []

        def scores(self, users):
            self.asked.append(users.device)
            return torch.zeros(len(users), self.items)

        def check(self):
            pass

    teacher = Elsewhere()
    settings = CFConfig(model="mf", loss="softmax", dim=4, softmax={"distill": 0.5})
    Trainer(replace(data, teacher=teacher), settings, 0).run_epoch()
    assert len(teacher.asked) > 1
    assert set(teacher.asked) == {teacher.device}


def test_a_constant_teacher_is_a_uniform_one():
    block, _, (users, items) = batch()
    flat = partial(
        distilling_block, weight=1.0, temperature=2.0, teacher=lambda owners: torch.full((len(owners), 9), 3.0)
    )
    assert torch.isfinite(catalogue_loss(users, items, block, flat))


@pytest.mark.parametrize("cells", [1, 10**6])
def test_sfcml_is_the_squared_loss_over_all_pairs(cells):
    def literal(_scores, liked, rows):
        users, items = rows
        total = users.new_zeros(())
        for user, own in enumerate(liked):
            distance = 2 - 2 * items @ users[user]
            others = [j for j in range(len(items)) if j not in own]
            pairs = [(1.5 + distance[i] - distance[j]) ** 2 for i in own for j in others]
            total = total + sum(pairs) / len(pairs)
        return total / len(liked)

    both(partial(sfcml_block, margin=1.5), literal, cells)


@pytest.mark.parametrize("corrected", [False, True])
def test_sampled_softmax(corrected, monkeypatch):
    monkeypatch.setattr("hnlm_ray.cf.losses.sampled.NEGATIVES_PER_BLOCK", 10)
    generator = torch.Generator().manual_seed(4)
    users, positives, items = (torch.randn(n, 4, generator=generator) for n in (7, 7, 9))
    negatives = torch.randint(9, (7, 5), generator=generator)
    q = [torch.randn(shape, generator=generator) for shape in ((7,), (7, 5))] if corrected else None
    ours = [rows.clone().requires_grad_() for rows in (users, positives, items)]
    theirs = [rows.double().clone().requires_grad_() for rows in (users, positives, items)]
    loss = sampled_softmax(*ours, negatives, log_q=None if q is None else tuple(q), temperature=0.4)
    expected = 0
    for b in range(7):
        near = theirs[0][b] @ theirs[1][b] / 0.4 - (q[0][b] if q else 0)
        far = [theirs[0][b] @ theirs[2][j] / 0.4 - (q[1][b, n] if q else 0) for n, j in enumerate(negatives[b])]
        expected = expected - torch.log(torch.exp(near) / (torch.exp(near) + sum(map(torch.exp, far)))) / 7
    (3 * loss).backward()
    (3 * expected).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad.double(), other.grad, atol=2e-6, rtol=1e-5)


def test_shared_softmax_leaves_out_what_is_not_allowed_but_never_the_positive():
    generator = torch.Generator().manual_seed(4)
    users, items = (torch.randn(6, 4, generator=generator).double() for _ in range(2))
    log_q, allowed = torch.randn(6, generator=generator).double(), torch.rand(6, 6, generator=generator) < 0.5
    expected = 0
    for b in range(6):
        logits = users[b] @ items.T / 0.4 - log_q
        kept = [logits[j].exp() for j in range(6) if j == b or allowed[b, j]]
        expected -= torch.log(logits[b].exp() / sum(kept)).item() / 6
    assert shared_softmax(users, items, log_q, allowed, 0.4).item() == pytest.approx(expected, rel=1e-9)
