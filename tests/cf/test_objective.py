"""Each step of training on pair vectors against the paper's formulas, written out pair by pair in float64."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from hnlm_ray.cf import PairVectors, Trainer
from hnlm_ray.config import CFConfig

SMALL = {"dim": 6, "batch_size": 160, "lr": 0.02, "candidates": 3, "sampler": "vectors", "adapter_hidden": (9,)}


@pytest.fixture
def known(data):
    """The data with vectors for some pairs, and these vectors by (user, item)."""
    rng = np.random.default_rng(5)
    edges = rng.permutation(len(data.train))[:300]
    pairs = list(zip(*(column[edges].tolist() for column in data.train.pairs()), strict=True))
    vectors = normalize(torch.randn(len(pairs), 10, generator=torch.Generator().manual_seed(2)), dim=1)
    anchors = normalize(torch.randn(data.items, 10, generator=torch.Generator().manual_seed(3)), dim=1).numpy()
    aligned = PairVectors.from_rows(
        data.train,
        *np.array(pairs).T,
        np.arange(len(pairs)),
        vectors.numpy(),
        n_items=data.items,
        anchors=anchors,
        anchored=np.arange(data.items) % 5 > 0,
    )
    return replace(data, vectors=aligned), dict(zip(pairs, vectors.double(), strict=True))


def cosine(a, b):
    return (a @ b) / a.norm() / b.norm()


def literal_terms(trainer, twins, batch, sampled, vector_of):
    """L_rank, L_CL, L_align and L2 of a batch, a pair at a time."""
    config, data, n = trainer.config, trainer.data, len(batch.users)
    table, adapter = twins
    final = table
    if config.model == "lightgcn":
        matrix = trainer.model.adjacency.to_sparse_csr().to_dense().double()
        final = (table + matrix @ table + matrix @ matrix @ table) / 3
    ranking = contrastive = squares = torch.zeros((), dtype=torch.float64)
    covered = 0
    for user, item, negative in zip(batch.users.tolist(), batch.items.tolist(), sampled.tolist(), strict=True):
        u, i, e = final[user], final[data.users + item], final[data.users + negative]
        if (user, item) in vector_of:
            hard = adapter(vector_of[user, item][None])[0]
            e = config.alpha * hard + (1 - config.alpha) * e
            near, far = (torch.exp(cosine(u, x) / config.temperature) for x in (i, hard))
            contrastive = contrastive - torch.log(near / (near + far))
            covered += 1
        lead = u @ i - u @ e
        lost = -torch.log(torch.sigmoid(lead)) if config.loss == "bpr" else (config.margin - lead).clamp(min=0)
        ranking = ranking + lost / n
        for row in (user, data.users + item, data.users + negative):
            squares = squares + table[row] @ table[row] / 2 / n
    alignments = []
    for item in sorted(set(batch.items.tolist()) | set(sampled.tolist())):
        if item % 5 > 0:
            adapted = adapter(torch.from_numpy(data.vectors.anchors[item]).double()[None])[0]
            target = final[data.users + item].detach()
            alignments.append(1 - cosine(adapted, target) + torch.log(adapted.norm() / target.norm()) ** 2)
    return ranking, contrastive / covered, sum(alignments) / len(alignments), squares


class DoubleAdapter(torch.nn.Module):
    """The adapter's MLP in float64 (its forward reads float32)."""

    def __init__(self, adapter):
        super().__init__()
        self.mlp = copy.deepcopy(adapter.mlp).double()

    def forward(self, v):
        return self.mlp(normalize(v, dim=1) * v.shape[1] ** 0.5)


def gradients(loss, parameters):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def adapters_gradient(training, terms, parameters):
    ranking, contrastive, alignment = (gradients(term, parameters) for term in terms)
    if training == "joint":
        return [r + 0.7 * c + 0.3 * a for r, c, a in zip(ranking, contrastive, alignment, strict=True)]
    if training == "alignment":
        return [0.3 * a for a in alignment]
    assert training == "adversarial"
    return [0.3 * a - r for r, a in zip(ranking, alignment, strict=True)]


@pytest.mark.parametrize(
    ("model", "loss", "training", "base"),
    [
        ("lightgcn", "bpr", "joint", "rns"),
        ("mf", "hinge", "joint", "dns"),
        ("mf", "bpr", "alignment", "pns"),
        ("lightgcn", "hinge", "adversarial", "dns"),
        ("mf", "bpr", "frozen", "rns"),
    ],
)
def test_loss_and_gradients_are_the_formulas(known, model, loss, training, base):
    data, vector_of = known
    weights = {"alpha": 0.4, "contrastive": 0.7, "alignment": 0.3, "temperature": 0.25, "reg": 0.05}
    config = CFConfig(model=model, loss=loss, adapter_training=training, base_sampler=base, **weights, **SMALL)
    trainer = Trainer(data, config, 3)
    adapter = trainer.adapted.adapter
    seen, sample = [], trainer.sampler.sample
    trainer.sampler.sample = lambda *given: seen.append(sample(*given)) or seen[-1]
    for batch in trainer._batches():
        table = trainer.model.table.detach().double().clone().requires_grad_()
        twin = DoubleAdapter(adapter).requires_grad_()
        got = trainer._step(batch)
        ranking, contrastive, alignment, squares = literal_terms(
            trainer, (table, twin), batch, seen[-1].items, vector_of
        )
        total = ranking + 0.7 * contrastive + 0.05 * squares + (0.3 * alignment if training != "frozen" else 0)
        assert got.item() == pytest.approx(total.item(), abs=1e-5)
        (of_table,) = gradients(total, [table])
        torch.testing.assert_close(trainer.model.table.grad.double(), of_table, atol=1e-6, rtol=1e-4)
        ours, theirs = list(adapter.parameters()), list(twin.parameters())
        if training == "frozen":
            assert all(parameter.grad is None for parameter in ours)
            continue
        expected = adapters_gradient(training, (ranking, contrastive, alignment), theirs)
        for parameter, gradient in zip(ours, expected, strict=True):
            torch.testing.assert_close(parameter.grad.double(), gradient, atol=1e-6, rtol=1e-4)
            assert gradient.abs().max() > 1e-5


def test_a_batch_without_any_vector_is_trained_as_the_base_sampler_would(known):
    data, _ = known
    nobody = replace(data.vectors, row=np.full(len(data.train), -1, np.int32))
    bare = Trainer(replace(data, vectors=nobody), CFConfig(contrastive=0.5, **SMALL), 3)
    alone = Trainer(data, CFConfig(**{**SMALL, "sampler": "rns"}, gradients="autograd"), 3)
    assert bare.run_epoch().loss == alone.run_epoch().loss
    assert torch.equal(bare.model.table, alone.model.table)
