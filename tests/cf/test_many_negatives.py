"""Several negatives of a pair: losses summed over them, and L2 over the row of each."""

import pytest
import torch

from hnlm_ray.cf import Trainer
from hnlm_ray.cf.losses import PAIR_LOSSES, l2, leads, mean_over_pairs
from hnlm_ray.config import CFConfig

SMALL = {"sampler": "dns_mn", "dim": 6, "batch_size": 70, "reg": 0.05, "candidates": 6, "dns": {"top": 3}}


def literal(trainer, table, batch, negatives):
    """The loss pair by pair and negative by negative, in float64."""
    config, data, n = trainer.config, trainer.data, len(batch.users)
    final = table
    if config.model == "lightgcn":
        matrix = trainer.model.adjacency.to_sparse_csr().to_dense().double()
        final = (table + matrix @ table + matrix @ matrix @ table) / 3
    total = torch.zeros((), dtype=torch.float64)
    for user, item, others in zip(batch.users.tolist(), batch.items.tolist(), negatives.tolist(), strict=True):
        for other in others:
            lead = final[user] @ final[data.users + item] - final[user] @ final[data.users + other]
            total = total + (-torch.log(torch.sigmoid(lead)) if config.loss == "bpr" else (0.3 - lead).clamp(min=0)) / n
        rows = [table[user], table[data.users + item], *(table[data.users + other] for other in others)]
        total = total + 0.05 * sum(row @ row for row in rows) / 2 / n
    return total


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("loss", ["bpr", "hinge"])
@pytest.mark.parametrize("gradients", ["closed", "autograd"])
def test_a_step_sums_losses_and_rows_of_all_negatives(data, model, loss, gradients):
    trainer = Trainer(data, CFConfig(model=model, loss=loss, gradients=gradients, **SMALL), 3)
    assert not trainer.objective.cosine
    seen, sample = [], trainer.sampler.sample
    trainer.sampler.sample = lambda *given: seen.append(sample(*given)) or seen[-1]
    batch = next(iter(trainer._batches()))
    table = trainer.model.table.detach().double().clone().requires_grad_()
    value = trainer._step(batch)
    assert seen[-1].items.shape == (70, 3)
    expected = literal(trainer, table, batch, seen[-1].items)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(trainer.model.table.grad.double(), table.grad, atol=1e-6, rtol=1e-5)


def test_one_negative_as_a_list_is_one_negative():
    user, positive, negative = (torch.randn(5, 4, dtype=torch.float64) for _ in range(3))
    for loss in (PAIR_LOSSES[name](CFConfig(loss=name)).value for name in ("bpr", "hinge")):
        alone = mean_over_pairs(loss(leads(user, positive, negative)))
        listed = mean_over_pairs(loss(leads(user, positive, negative.unsqueeze(1))))
        assert alone.item() == pytest.approx(listed.item(), rel=1e-12)
        twice = mean_over_pairs(loss(leads(user, positive, torch.stack([negative, negative], 1))))
        assert twice.item() == pytest.approx(2 * alone.item(), rel=1e-12)
    assert l2(negative).item() == pytest.approx(l2(negative.unsqueeze(1)).item(), rel=1e-12)


@pytest.mark.parametrize("loss", ["bpr", "hinge"])
def test_the_slope_is_the_derivative_of_the_value(loss):
    lead = torch.tensor([-40.0, -3.0, -0.31, -0.29, 0.0, 2.0, 40.0], dtype=torch.float64, requires_grad=True)
    pair_loss = PAIR_LOSSES[loss](CFConfig(loss=loss))
    pair_loss.value(lead).sum().backward()
    torch.testing.assert_close(pair_loss.slope(lead.detach()), lead.grad, atol=1e-12, rtol=0)
