"""Sampled softmax against its formula in float64, and against the exact softmax where it must equal it."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Positives, Trainer
from hnlm_ray.cf.data.unobserved import AliasTable
from hnlm_ray.cf.kernels.rows import unit_rows
from hnlm_ray.cf.kernels.sampled_products import score_candidates, sum_candidates, sum_rows
from hnlm_ray.cf.losses import sampled_softmax, shared_softmax
from hnlm_ray.config import CFConfig

SMALL = {"loss": "sampled_softmax", "dim": 6, "batch_size": 40, "reg": 0.03, "layers": 2}


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def literal(trainer, table, batch, drawn):
    """The loss of a batch pair by pair; ``drawn`` are the negatives of each, or of all where the batch shares them."""
    config, data, n = trainer.config, trainer.data, len(batch.users)
    final = table
    if config.model == "lightgcn":
        matrix = trainer.model.adjacency.to_sparse_csr().to_dense().double()
        final = (table + matrix @ table + matrix @ matrix @ table) / 3
    if config.softmax.similarity == "cosine":
        final = final / final.norm(dim=1, keepdim=True)
    popularity = np.maximum(np.bincount(data.train.items, minlength=data.items), 1.0)
    power = {"rns": 0.0, "pns": config.popularity_power, "in_batch": 1.0}[config.sampler]
    log_q = np.log(popularity**power) if config.softmax.log_q else np.zeros(data.items)
    positives = set(zip(*(column.tolist() for column in data.train.pairs()), strict=True))
    total = squares = 0
    for row, (user, item) in enumerate(zip(batch.users.tolist(), batch.items.tolist(), strict=True)):
        if config.sampler == "in_batch":
            negatives = [other for other in batch.items.tolist() if (user, other) not in positives]
        else:
            negatives = drawn[row].tolist()
        logits = [
            final[user] @ final[data.users + j] / config.softmax.temperature - log_q[j] for j in [item, *negatives]
        ]
        total = total - (logits[0] - torch.logsumexp(torch.stack(logits), 0)) / n
        squares = squares + (table[user] @ table[user] + table[data.users + item] @ table[data.users + item]) / 2 / n
    return total + config.reg * squares


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("sampler", ["rns", "pns", "in_batch"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("log_q", [True, False])
def test_a_step_is_the_formula_in_value_and_gradient(data, model, sampler, similarity, log_q):
    settings = {"similarity": similarity, "temperature": 0.3, "negatives": 7, "log_q": log_q}
    trainer = Trainer(data, CFConfig(model=model, sampler=sampler, softmax=settings, **SMALL), 3)
    assert trainer.objective.cosine == (similarity == "cosine")
    seen, sample = [], trainer.sampler.sample
    trainer.sampler.sample = lambda *given: seen.append(sample(*given)) or seen[-1]
    for batch, _ in zip(trainer._batches(), range(2), strict=False):
        table = trainer.model.table.detach().double().clone().requires_grad_()
        loss = trainer._step(batch)
        expected = literal(trainer, table, batch, seen[-1].items)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6, rel=1e-6)
        torch.testing.assert_close(trainer.model.table.grad.double(), table.grad, atol=1e-6, rtol=1e-5)
        assert table.grad.abs().max() > 1e-3


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_what_a_cosine_trained_ranks_by_the_cosine_times_a_power_of_the_items_length(data, loss):
    for power in (0.0, 0.25, 1.0):
        given = {"softmax": {"magnitude": power}, **SMALL, "loss": loss, "sampler": "rns"}
        trainer = Trainer(data, CFConfig(**given), 3)
        trainer.run_epoch()
        users, items = trainer.model.embeddings()
        cosine = torch.nn.functional.cosine_similarity(users[:, None], items[None], dim=2)
        expected = cosine * items.norm(dim=1) ** power
        torch.testing.assert_close(trainer.scorer().scores(torch.arange(data.users)), expected, atol=1e-5, rtol=1e-4)


def test_what_a_dot_product_trained_ranks_by_it_whatever_the_magnitude(data):
    trainer = Trainer(data, CFConfig(softmax={"similarity": "dot", "magnitude": 0.5}, **SMALL), 3)
    users, items = trainer.model.embeddings()
    assert torch.equal(trainer.scorer().item_embeddings, items)
    assert torch.equal(trainer.scorer().user_embeddings, users)


def test_against_all_other_items_it_is_the_exact_softmax():
    users, items, liked = random(5, 4), random(9, 4, seed=1), torch.tensor([3, 0, 8, 3, 5])
    others = torch.stack([torch.cat([torch.arange(item), torch.arange(item + 1, 9)]) for item in liked.tolist()])
    ours, theirs = ([rows.clone().requires_grad_() for rows in (users, items)] for _ in range(2))
    loss = sampled_softmax(ours[0], ours[1][liked], ours[1], others, log_q=None, temperature=0.4)
    exact = functional.cross_entropy(theirs[0] @ theirs[1].T / 0.4, liked)
    loss.backward()
    exact.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-12)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-12, rtol=0)


def test_in_batch_with_log_q_over_everything_has_the_exact_softmaxs_gradient():
    """Over all pairs the sum of exp(s - log q) is pairs times that over all items, each once.

    So the loss is the exact one plus the log of how often the positive occurs, which no embedding changes.
    """
    pairs = [(0, 0), (0, 2), (1, 0), (2, 0), (2, 1), (2, 3), (3, 3), (3, 0)]
    user, item = torch.tensor(pairs).T
    counts = torch.bincount(item).double()
    log_q, everyone = (counts / len(pairs)).log()[item], torch.ones(len(pairs), len(pairs), dtype=torch.bool)
    ours, theirs = ([random(4, 3).requires_grad_(), random(4, 3, seed=1).requires_grad_()] for _ in range(2))
    loss = shared_softmax(ours[0][user], ours[1][item], log_q, everyone, 0.4)
    exact = functional.cross_entropy(theirs[0][user] @ theirs[1].T / 0.4, item)
    loss.backward()
    exact.backward()
    assert loss.item() == pytest.approx(exact.item() + counts.log()[item].mean().item(), rel=1e-12)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-12, rtol=0)


def test_a_whole_batch_of_users_with_an_item_of_their_own_is_the_exact_softmax():
    order = np.random.default_rng(0).permutation(30)
    data = CFData(30, 30, Positives.from_pairs(np.arange(30), order, 30))
    values = {"model": "mf", "dim": 6, "batch_size": 30, "lr": 0.1}
    sampled = Trainer(data, CFConfig(loss="sampled_softmax", sampler="in_batch", **values), 1)
    exact = Trainer(data, CFConfig(loss="softmax", **values), 1)
    for _ in range(3):
        assert sampled.run_epoch().loss == pytest.approx(exact.run_epoch().loss, rel=1e-6)
    torch.testing.assert_close(sampled.model.table, exact.model.table, atol=1e-4, rtol=0)


@pytest.mark.parametrize("skewed", [False, True])
def test_log_q_makes_many_draws_estimate_the_exact_softmax(skewed):
    """Each draw of odds q_j counts exp(s_j) / (n q_j): on average the sum over the catalogue, whatever q."""
    users, items, n = random(3, 4), random(12, 4, seed=1), 200_000
    weights = torch.arange(1, 13).double() ** 2 if skewed else torch.ones(12).double()
    odds = weights / weights.sum()
    drawn = AliasTable(weights).draw((3, n), torch.Generator().manual_seed(2)).long()
    liked = torch.tensor([2, 7, 11])
    # The draws' odds times n, and the positive as itself: then the two sums are on one scale.
    log_q = torch.zeros(3).double(), (odds * n).log()[drawn]
    loss = sampled_softmax(users, items[liked], items, drawn, log_q=log_q, temperature=0.5)
    scores = users @ items.T / 0.5
    near = scores[torch.arange(3), liked]
    exact = (torch.logaddexp(scores.logsumexp(1), near) - near).mean()
    assert loss.item() == pytest.approx(exact.item(), abs=0.01)
    as_if_uniform = log_q[0], torch.full_like(log_q[1], math.log(n / 12))
    uncorrected = sampled_softmax(users, items[liked], items, drawn, log_q=as_if_uniform, temperature=0.5)
    assert (abs(uncorrected.item() - exact.item()) > 0.05) == skewed


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_it_is_finite_whatever_the_scores(scale):
    rows = [(random(n, 4, seed=n, dtype=torch.float32) * scale).requires_grad_() for n in (6, 7)]
    negatives = torch.randint(7, (6, 5), generator=torch.Generator().manual_seed(1))
    losses = (
        sampled_softmax(rows[0], rows[1][:6], rows[1], negatives, log_q=None, temperature=0.1),
        shared_softmax(rows[0], rows[1][:6], None, torch.zeros(6, 6, dtype=torch.bool), 0.1),
    )
    for loss in losses:
        assert torch.isfinite(loss)
        for gradient in torch.autograd.grad(loss, rows, retain_graph=True):
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("barred", [False, True])
def test_the_gradient_of_shared_softmax_is_autograds(barred):
    allowed = torch.ones(6, 6, dtype=torch.bool)
    if barred:
        allowed = torch.rand(6, 6, generator=torch.Generator().manual_seed(1)) < 0.6
    log_q = random(6, seed=5)
    rows = [random(6, 4).requires_grad_(), random(6, 4, seed=1).requires_grad_()]
    assert torch.autograd.gradcheck(lambda *given: shared_softmax(*given, log_q, allowed, 0.4), rows)


def test_gradients_of_unit_rows_are_autograds_down_to_zero_length():
    rows = random(6, 4).requires_grad_()
    assert torch.autograd.gradcheck(unit_rows, [rows])
    torch.testing.assert_close(unit_rows(rows), functional.normalize(rows, dim=1))
    zeros = torch.zeros(2, 3, requires_grad=True)
    assert not unit_rows(zeros).any()
    assert torch.isfinite(torch.autograd.grad(unit_rows(zeros).sum(), zeros)[0]).all()


def test_products_with_candidates_are_their_sums():
    rows, items, weights = random(5, 4), random(8, 4, seed=1), random(5, 6, seed=2)
    candidates = torch.randint(7, (5, 6), generator=torch.Generator().manual_seed(1))
    of_items = torch.zeros(8, 4, dtype=torch.float64)
    for i in range(5):
        total = torch.zeros(4, dtype=torch.float64)
        for j in range(6):
            item = int(candidates[i, j])
            assert score_candidates(rows, items, candidates)[i, j] == pytest.approx(float(rows[i] @ items[item]))
            total += weights[i, j] * items[item]
            of_items[item] += weights[i, j] * rows[i]
        torch.testing.assert_close(sum_candidates(items, candidates, weights)[i], total)
    torch.testing.assert_close(sum_rows(rows, candidates, weights, 8), of_items)


@pytest.mark.parametrize("sampler", ["dns", "srns", "mixgcf"])
def test_other_samplers_are_refused(data, sampler):
    with pytest.raises(InputError, match="draws by rns, pns, in_batch"):
        Trainer(data, CFConfig(sampler=sampler, **SMALL), 0)
