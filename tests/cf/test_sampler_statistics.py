"""What samplers draw, as distributions, and what none of them ever draws: a training positive."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from hnlm_ray.cf import SAMPLERS, CFData, NegativePool, Positives
from hnlm_ray.cf.data.batches import BlockBatch, TrainingPairs
from hnlm_ray.cf.data.observed import Observed
from hnlm_ray.cf.samplers import Batch, SamplerInputs, SharedNegatives
from hnlm_ray.config import CFConfig

CPU = torch.device("cpu")


def build(name, data, count=None, seed=0, **values):
    streams = [torch.Generator().manual_seed(seed + offset) for offset in (0, 1000)]
    return SAMPLERS[name].open(SamplerInputs(data, CFConfig(sampler=name, **values), *streams, CPU, count))


def batch_of(data, edges):
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in data.train.pairs())
    return Batch(users[edges], items[edges], torch.as_tensor(edges))


def vectors(data, *shape):
    return torch.randn(data.users + data.items, *shape, generator=torch.Generator().manual_seed(3))


def fits(counts, expected):
    """Chi-square, with the rare classes as one; what can't occur must not."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    assert counts[expected == 0].sum() == 0
    rare = expected < 5
    if expected[rare].sum() > 0:
        counts, expected = (np.append(values[~rare], values[rare].sum()) for values in (counts, expected))
    else:
        counts, expected = counts[~rare], expected[~rare]
    return stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4


def unobserved(data, user):
    own = data.train.items[data.train.indptr[user] : data.train.indptr[user + 1]]
    return np.setdiff1d(np.arange(data.items), own)


def epochs(data, name, size, times, **values):
    """All users and negatives of some epochs, as a training draws them: batch by batch of a block."""
    sampler, pairs, shuffle = build(name, data, **values), TrainingPairs(data, CPU), torch.Generator().manual_seed(7)
    batches = [batch for _ in range(times) for batch in pairs.batches(shuffle, size)]
    assert all(isinstance(batch, BlockBatch) for batch in batches)
    negatives = [sampler.sample(batch, vectors(data, 4)).items for batch in batches]
    return torch.cat([batch.users for batch in batches]).numpy(), torch.cat(negatives).numpy()


@pytest.mark.parametrize(("name", "power"), [("rns", 0.0), ("pns", 0.75)])
@pytest.mark.parametrize("size", [50, 480])
def test_epochs_of_batches_follow_the_weights_for_each_user(data, name, power, size):
    users, negatives = epochs(data, name, size, 60)
    popularity = np.maximum(np.bincount(data.train.items, minlength=data.items), 1.0) ** power
    counts = np.zeros((data.users, data.items))
    np.add.at(counts, (users, negatives), 1)
    expected = np.zeros_like(counts)
    for user in range(data.users):
        free = unobserved(data, user)
        expected[user, free] = 60 * data.train.degree[user] * popularity[free] / popularity[free].sum()
    assert fits(counts.ravel(), expected.ravel())


@pytest.mark.parametrize("name", ["rns", "pns"])
def test_the_pairs_of_a_batch_draw_independently(data, name):
    """Of two neighbours in a batch, low or high item: a two-by-two table of 30,000 pairs."""
    drawn = build(name, data).sample(batch_of(data, np.zeros(60_000, int)), vectors(data, 4)).items.numpy() < 40
    table = np.histogram2d(drawn[::2], drawn[1::2], bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_a_batch_sampled_again_draws_again(data):
    sampler, pairs = build("rns", data), TrainingPairs(data, CPU)
    first, second, *_ = pairs.batches(torch.Generator().manual_seed(1), 100)
    drawn = [sampler.sample(batch, vectors(data, 4)).items for batch in (first, second, second, first, second)]
    assert [len(items) for items in drawn] == [100] * 5
    assert len({tuple(items.tolist()) for items in drawn}) == 5
    known = data.train.keys(data.items)
    for batch, items in zip((first, second, second, first, second), drawn, strict=True):
        assert not np.isin((batch.users * data.items + items).numpy(), known).any()


@pytest.mark.parametrize("name", ["rns", "pns"])
def test_many_negatives_of_a_pair_are_as_single_ones(data, name):
    sampler = build(name, data, count=500, loss="sampled_softmax")
    items = sampler.sample(batch_of(data, np.zeros(60, int)), vectors(data, 4)).items
    assert items.shape == (60, 500)
    power = 0.0 if name == "rns" else 0.75
    expected = np.maximum(np.bincount(data.train.items, minlength=data.items), 1.0) ** power
    expected[np.setdiff1d(np.arange(data.items), unobserved(data, 0))] = 0
    assert fits(np.bincount(items.view(-1), minlength=data.items), 30_000 * expected / expected.sum())


def rank_odds(free, of, rank):
    """Odds that the ``rank``-th highest (0 is the first) of ``of`` draws has each place, lowest score first."""
    below = np.arange(free + 1) / free
    # At most `rank` draws lie above place k: the binomial's lower tail.
    return np.diff(stats.binom.cdf(rank, of, 1 - below))


@pytest.mark.parametrize("top", [1, 3])
def test_dns_mn_keeps_the_order_statistics(data, top):
    draws, table = 30_000, vectors(data, 4)
    sampler = build("dns_mn", data, candidates=5, dns={"top": top, "rule": "sum"})
    kept = sampler.sample(batch_of(data, np.zeros(draws, int)), table).items.numpy()
    free = unobserved(data, 0)
    ascending = free[np.argsort((table[data.users :] @ table[0]).numpy()[free])]
    for rank in range(top):
        counts = np.bincount(kept[:, rank], minlength=data.items)[ascending]
        assert fits(counts, draws * rank_odds(len(free), 5, rank))


def test_dns_mn_one_takes_each_of_the_top_as_often(data):
    draws, table = 20_000, vectors(data, 4)
    sampler = build("dns_mn", data, candidates=6, dns={"top": 4, "rule": "one"})
    kept = sampler.sample(batch_of(data, np.zeros(draws, int)), table).items.numpy()
    free = unobserved(data, 0)
    ascending = free[np.argsort((table[data.users :] @ table[0]).numpy()[free])]
    counts = np.bincount(kept, minlength=data.items)[ascending]
    assert fits(counts, draws * sum(rank_odds(len(free), 6, rank) for rank in range(4)) / 4)


def test_the_positives_share_of_mixgcf_is_uniform_in_each_layer_and_apart(data):
    sampler = build("mixgcf", data, candidates=2)
    share = sampler.sample(batch_of(data, np.zeros(5000, int)), vectors(data, 3, 4)).share.squeeze(2).double().numpy()
    for layer in range(3):
        assert stats.kstest(share[:, layer], "uniform").pvalue > 1e-4
    assert np.abs(np.corrcoef(share.T) - np.eye(3)).max() < 0.06


def test_the_pool_draws_in_proportion_to_weights_whatever_its_pairs_neighbours(pooled):
    """All covered pairs at once, so that an entry of the pair before or after would show."""
    pool, times = pooled.pool, 300
    batch = batch_of(pooled, np.tile(np.arange(len(pooled.train)), times))
    drawn = build("pool", pooled).sample(batch, vectors(pooled, 4))
    covered = drawn.mix.numpy() > 0
    # An item may be two entries of a pair, so entries are counted by (edge, item).
    keys, weights = pool.edges() * pooled.items + pool.items, pool.weights.astype(float)
    places, of_key = np.unique(keys, return_inverse=True)
    share = np.bincount(of_key, weights / np.bincount(pool.edges(), weights)[pool.edges()])
    found = (batch.edges * pooled.items + drawn.pool_items).numpy()[covered]
    assert np.isin(found, places).all()
    assert fits(np.bincount(np.searchsorted(places, found), minlength=len(places)), times * share)


@st.composite
def tiny(draw):
    """Few users and items; one user may know all items but one, one all of them, one none."""
    users, items = draw(st.integers(1, 5)), draw(st.integers(2, 9))
    pairs = draw(st.sets(st.tuples(st.integers(0, users - 1), st.integers(0, items - 1)), min_size=1, max_size=30))
    if draw(st.booleans()):
        spared = draw(st.integers(0, items - 1))
        pairs = {pair for pair in pairs if pair[0] > 0} | {(0, item) for item in range(items) if item != spared}
    if draw(st.booleans()):
        pairs |= {(users, item) for item in range(items)}
    pairs |= {(users + 1, 0)}
    train = Positives.from_pairs(*np.array(sorted(pairs)).T, users + 3)
    owners, positives = train.pairs()
    edges = np.array(draw(st.lists(st.integers(0, len(train) - 1), max_size=12)), int)
    offered = np.array(draw(st.lists(st.integers(0, items - 1), min_size=len(edges), max_size=len(edges))), int)
    pool = NegativePool.from_rows(train, owners[edges], positives[edges], offered, np.ones(len(edges)), n_items=items)
    return CFData(users + 3, items, train, pool=pool)


@pytest.mark.parametrize("exact_bits", [2**20, 0])
@settings(max_examples=30)
@given(data=tiny(), seed=st.integers(0, 2**31))
def test_positives_among_proposals_are_found(exact_bits, data, seed):
    """Also where all users share a table of bits, whose doubts are then looked up."""
    observed, known = Observed(data, CPU, exact_bits), set(data.train.keys(data.items).tolist())
    users = torch.randint(data.users, (20,), generator=torch.Generator().manual_seed(seed))
    items = torch.randint(data.items, (20, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.int32)
    cells = (users[:, None] * data.items + items).view(-1).tolist()
    assert observed.positives(users, items).tolist() == [place for place, cell in enumerate(cells) if cell in known]


@pytest.mark.parametrize("shared_bits", [False, True])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=tiny(), seed=st.integers(0, 2**31), size=st.integers(1, 12))
def test_no_sampler_ever_returns_a_training_positive(monkeypatch, shared_bits, data, seed, size):
    if shared_bits:
        monkeypatch.setattr("hnlm_ray.cf.data.unobserved.Observed", partial(Observed, exact_bits=0))
    known, pairs = set(data.train.keys(data.items).tolist()), TrainingPairs(data, CPU)
    srns = {"memory": 2, "fresh": 3, "warm_up": 1}
    for name in ("rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch", "pool"):
        sampler, hops = build(name, data, seed=seed, candidates=3, srns=srns), vectors(data, 2, 3)
        table = hops if sampler.reads == "hops" else hops.mean(1)
        for _ in range(2):
            for batch in pairs.batches(torch.Generator().manual_seed(seed), size):
                negatives = sampler.sample(batch, table)
                for items in (negatives.items, getattr(negatives, "pool_items", None)):
                    if items is not None:
                        rows = items.view(len(batch.users), -1)
                        assert (rows >= 0).all()
                        assert (rows < data.items).all()
                        assert known.isdisjoint((batch.users[:, None] * data.items + rows).view(-1).tolist())
            sampler.end_epoch(hops.mean(1))


@settings(max_examples=40)
@given(tiny(), st.integers(1, 12))
def test_shared_negatives_allow_no_training_positive(data, size):
    known, sampler = set(data.train.keys(data.items).tolist()), build("in_batch", data, loss="sampled_softmax")
    for batch in TrainingPairs(data, CPU).batches(torch.Generator().manual_seed(1), size):
        shared = sampler.sample(batch, vectors(data, 3))
        assert isinstance(shared, SharedNegatives)
        cells = batch.users[:, None] * data.items + batch.items
        assert shared.allowed.tolist() == [[cell not in known for cell in row] for row in cells.tolist()]
