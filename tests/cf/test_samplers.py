import numpy as np
import pytest
import torch
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import SAMPLERS, CFData, NegativePool, Positives
from hnlm_ray.cf.samplers import Batch, SamplerInputs
from hnlm_ray.config import CFConfig


def build(name, data, seed=0, **values):
    streams = [torch.Generator().manual_seed(seed + offset) for offset in (0, 1000)]
    config = CFConfig(sampler=name, **values)
    return SAMPLERS[name](SamplerInputs(data, config, *streams, torch.device("cpu")))


def batch_of(data, edges):
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in data.train.pairs())
    edges = torch.as_tensor(edges)
    return Batch(users[edges], items[edges], edges)


def all_edges(data, times=1):
    return batch_of(data, np.tile(np.arange(len(data.train)), times))


def vectors(data, dim=4, seed=3):
    return torch.randn(data.users + data.items, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["rns", "pns", "dns", "pool"])
def test_negatives_are_never_training_positives(pooled, name):
    batch = all_edges(pooled, 20)
    negatives = build(name, pooled, candidates=4).sample(batch, vectors(pooled))
    known = pooled.train.keys(pooled.items)
    for items in (negatives.items, negatives.pool_items):
        if items is not None:
            assert not np.isin((batch.users * pooled.items + items).numpy(), known).any()
            assert items.dtype == torch.int64


@pytest.mark.parametrize("name", ["rns", "pns", "dns"])
def test_held_out_positives_are_legal_negatives(data, name):
    negatives = build(name, data, candidates=2).sample(all_edges(data, 60), vectors(data)).items
    drawn = (all_edges(data, 60).users * data.items + negatives).numpy()
    for held_out in (data.validation, data.test):
        assert np.isin(held_out.keys(data.items), drawn).mean() > 0.8


def test_rns_is_uniform(data):
    batch = batch_of(data, np.zeros(30_000, int))
    counts = np.bincount(build("rns", data).sample(batch, vectors(data)).items, minlength=data.items)
    free = np.ones(data.items, bool)
    free[data.train.items[: data.train.degree[0]]] = False
    assert stats.chisquare(counts[free]).pvalue > 1e-4


@pytest.mark.parametrize("power", [0.0, 0.75, 2.0])
def test_pns_follows_popularity_to_the_power(data, power):
    batch = batch_of(data, np.zeros(30_000, int))
    sampler = build("pns", data, popularity_power=power)
    counts = np.bincount(sampler.sample(batch, vectors(data)).items, minlength=data.items)
    expected = np.maximum(np.bincount(data.train.items, minlength=data.items), 1.0) ** power
    expected[data.train.items[: data.train.degree[0]]] = 0
    kept = expected > 0
    assert stats.chisquare(counts[kept], 30_000 * expected[kept] / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("candidates", [1, 3])
def test_dns_takes_each_rank_as_often_as_the_best_of_m_does(data, candidates):
    table, draws = vectors(data), 30_000
    batch = batch_of(data, np.zeros(draws, int))
    negatives = build("dns", data, candidates=candidates).sample(batch, table).items.numpy()
    free = np.setdiff1d(np.arange(data.items), data.train.items[: data.train.degree[0]])
    scores = (table[data.users :] @ table[0]).numpy()
    ascending = free[np.argsort(scores[free])]
    counts = np.bincount(negatives, minlength=data.items)[ascending]
    below = np.arange(len(free) + 1) / len(free)
    expected = draws * np.diff(below**candidates)
    pooled_tail = expected > 5
    observed = np.append(counts[pooled_tail], counts[~pooled_tail].sum())
    wanted = np.append(expected[pooled_tail], expected[~pooled_tail].sum())
    kept = wanted > 0
    assert stats.chisquare(observed[kept], wanted[kept]).pvalue > 1e-4


def test_pool_draws_in_proportion_to_the_weights():
    train = Positives.from_pairs([0, 0, 1], [0, 1, 0], 2)
    pool = NegativePool.from_rows(
        train, [0, 0, 0, 1, 1], [1, 1, 1, 0, 0], [2, 3, 4, 5, 2], [1.0, 2.0, 5.0, 3.0, 1.0], n_items=6
    )
    data = CFData(2, 6, train, pool=pool)
    sampler = build("pool", data, alpha=0.3)
    for edge, expected in ((1, {2: 1, 3: 2, 4: 5}), (2, {5: 3, 2: 1})):
        negatives = sampler.sample(batch_of(data, np.full(8000, edge)), vectors(data))
        counts = np.bincount(negatives.pool_items, minlength=6)
        wanted = np.zeros(6)
        wanted[list(expected)] = list(expected.values())
        kept = wanted > 0
        assert counts[~kept].sum() == 0
        assert stats.chisquare(counts[kept], 8000 * wanted[kept] / wanted.sum()).pvalue > 1e-4
        assert torch.equal(negatives.mix, torch.full((8000,), 0.3))


def test_a_pair_without_entry_uses_the_base_sampler_alone(pooled):
    covered = np.diff(pooled.pool.indptr) > 0
    assert 0 < covered.mean() < 1
    negatives = build("pool", pooled, alpha=0.4).sample(all_edges(pooled), vectors(pooled))
    assert torch.equal(negatives.mix, torch.from_numpy(np.where(covered, np.float32(0.4), np.float32(0))))
    assert torch.equal(negatives.pool_items[~covered], negatives.items[~covered])


def test_an_empty_pool_and_the_last_edge_without_entry_are_fine(data):
    empty = NegativePool(np.zeros(len(data.train) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    pooled = CFData(data.users, data.items, data.train, pool=empty)
    negatives = build("pool", pooled).sample(all_edges(pooled), vectors(pooled))
    assert not negatives.mix.any()


@pytest.mark.parametrize("base", ["rns", "pns", "dns"])
def test_the_pool_leaves_its_base_samplers_stream_alone(pooled, base):
    batch, table = all_edges(pooled), vectors(pooled)
    mixed, alone = build("pool", pooled, base_sampler=base), build(base, pooled)
    for _ in range(3):
        assert torch.equal(mixed.sample(batch, table).items, alone.sample(batch, table).items)


def test_pool_without_a_pool_is_refused(data):
    with pytest.raises(InputError, match="needs a pool"):
        build("pool", data)


def test_each_pair_names_its_own_vector_and_a_pair_without_has_mix_0(vectored):
    users, _ = vectored.train.pairs()
    negatives = build("vectors", vectored, alpha=0.4).sample(all_edges(vectored), vectors(vectored))
    assert torch.equal(negatives.vector_rows, torch.from_numpy(vectored.vectors.row).long())
    covered = negatives.vector_rows >= 0
    assert 0 < covered.float().mean() < 1
    assert torch.equal(negatives.mix, torch.where(covered, 0.4, 0.0))
    known = vectored.train.keys(vectored.items)
    assert not np.isin(users.astype(np.int64) * vectored.items + negatives.items.numpy(), known).any()
    one = build("vectors", vectored).sample(batch_of(vectored, [7, 3]), vectors(vectored))
    assert one.vector_rows.tolist() == vectored.vectors.row[[7, 3]].tolist()


def test_vectors_without_vectors_are_refused(data):
    with pytest.raises(InputError, match="needs a vector for training pairs"):
        build("vectors", data)
