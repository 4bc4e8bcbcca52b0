"""The guard and the pool's candidates in every sampler that has candidates, each written out pair by pair."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import SAMPLERS, CFData, NegativePool, Positives, Trainer
from hnlm_ray.cf.objectives.pairs import hop_rows
from hnlm_ray.cf.samplers import Batch, SamplerInputs
from hnlm_ray.config import CFConfig

CANDIDATE_SAMPLERS = [name for name, sampler in SAMPLERS.items() if sampler.chooses_among_candidates]
HOPS, DIM, M, LAMBDA = 3, 5, 6, 0.8
SMALL = {"dim": 6, "batch_size": 100, "lr": 0.01, "candidates": 6}


def build(name, data, **values):
    streams = [torch.Generator().manual_seed(seed) for seed in (4, 5)]
    config = CFConfig(sampler=name, **{"candidates": M, **values})
    return SAMPLERS[name](SamplerInputs(data, config, *streams, torch.device("cpu")))


def every_pair(data):
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in data.train.pairs())
    return Batch(users, items, torch.arange(len(users)))


def embeddings(data, *shape):
    return torch.randn(data.users + data.items, *shape, generator=torch.Generator().manual_seed(3))


def recorded(sampler):
    """The candidates that the sampler chooses among, in the order of its calls."""
    drawn, draw = [], sampler.draw_candidates
    sampler.draw_candidates = lambda batch: drawn.append(draw(batch)) or drawn[-1]
    return drawn


def beliefs(sampler, data):
    """g of every user and item, told by what the guard takes from scores of deviation 1."""
    items = torch.arange(data.items).expand(data.users, -1)
    scores = torch.tensor([1.0, -1.0]).repeat(data.users, data.items // 2)
    taken = scores - sampler.guard.hold_back(scores, torch.arange(data.users), items)
    return (taken.double() / LAMBDA).tolist()


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def penalties(scores, beliefs):
    mean = sum(scores) / len(scores)
    std = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    return [LAMBDA * std * belief for belief in beliefs]


def ordered(candidates, keys):
    """Candidates by falling key."""
    return [j for _, j in sorted(zip(keys, candidates, strict=True), key=lambda entry: -entry[0])]


def guarded_pairs(sampler, data, *shape):
    """Sample; then for each pair its number, rows of user, positive and items, the candidates and their beliefs."""
    batch, table, drawn, g = every_pair(data), embeddings(data, *shape), recorded(sampler), beliefs(sampler, data)
    negatives, rows = sampler.sample(batch, table), table.double().tolist()

    def walk():
        for n, (user, item) in enumerate(zip(batch.users.tolist(), batch.items.tolist(), strict=True)):
            candidates = drawn[0][n].tolist()
            of_items = rows[data.users :]
            yield n, rows[user], of_items[item], of_items, candidates, [g[user][j] for j in candidates]

    return batch, table, negatives, walk()


def test_dns_takes_the_argmax_of_the_guarded_scores(texted):
    sampler, changed = build("dns", texted, guard=LAMBDA), 0
    _, _, negatives, pairs = guarded_pairs(sampler, texted, DIM)
    for n, user, _, items, candidates, belief in pairs:
        scores = [dot(user, items[j]) for j in candidates]
        guarded = [s - p for s, p in zip(scores, penalties(scores, belief), strict=True)]
        assert negatives.items[n] == ordered(candidates, guarded)[0]
        changed += ordered(candidates, guarded)[0] != ordered(candidates, scores)[0]
    assert changed > len(negatives.items) / 10


@pytest.mark.parametrize("rule", ["sum", "one"])
def test_dns_mn_keeps_the_top_of_the_guarded_scores(texted, rule):
    sampler = build("dns_mn", texted, guard=LAMBDA, dns={"top": 3, "rule": rule})
    _, _, negatives, pairs = guarded_pairs(sampler, texted, DIM)
    for n, user, _, items, candidates, belief in pairs:
        scores = [dot(user, items[j]) for j in candidates]
        top = ordered(candidates, [s - p for s, p in zip(scores, penalties(scores, belief), strict=True)])[:3]
        assert negatives.items[n].tolist() == top if rule == "sum" else negatives.items[n] in top


def test_ahns_lengthens_the_distance_to_the_wanted_score(texted):
    sampler = build("ahns", texted, guard=LAMBDA, ahns={"alpha": 0.3, "beta": 0.6, "power": -2.5})
    _, _, negatives, pairs = guarded_pairs(sampler, texted, DIM)
    for n, user, positive, items, candidates, belief in pairs:
        scores = [dot(user, items[j]) for j in candidates]
        wanted = 0.6 * max(dot(user, positive) + 0.3, 1e-3) ** -1.5
        kept_back = penalties(scores, belief)
        nearness = [-abs(s - wanted) - p for s, p in zip(scores, kept_back, strict=True)]
        assert negatives.items[n] == ordered(candidates, nearness)[0]


def test_mixgcf_guards_the_mixed_scores_of_each_layer(texted):
    """As the paper mixes: each candidate with the positive, then the highest guarded score of the mixtures."""
    sampler = build("mixgcf", texted, guard=LAMBDA)
    batch, table, negatives, pairs = guarded_pairs(sampler, texted, HOPS, DIM)
    found = hop_rows(table.double(), batch, negatives, texted.users)[2].mean(1)
    for n, user, positive, items, candidates, belief in pairs:
        u, chosen = np.mean(user, 0).tolist(), []
        for layer in range(HOPS):
            a = negatives.share[n, layer].item()
            rows = [a * np.array(positive[layer]) + (1 - a) * np.array(items[j][layer]) for j in candidates]
            scores = [dot(u, row.tolist()) for row in rows]
            guarded = [s - p for s, p in zip(scores, penalties(scores, belief), strict=True)]
            chosen.append(rows[int(np.argmax(guarded))])
        np.testing.assert_allclose(found[n], np.mean(chosen, 0), atol=1e-6)


def test_dins_takes_the_highest_guarded_score_of_each_layer(texted):
    sampler = build("dins", texted, guard=LAMBDA)
    _, _, negatives, pairs = guarded_pairs(sampler, texted, HOPS, DIM)
    for n, user, _, items, candidates, belief in pairs:
        u = np.mean(user, 0).tolist()
        for layer in range(HOPS):
            scores = [dot(u, items[j][layer]) for j in candidates]
            guarded = [s - p for s, p in zip(scores, penalties(scores, belief), strict=True)]
            assert negatives.items[n, layer] == ordered(candidates, guarded)[0]


@pytest.mark.parametrize("sampler", CANDIDATE_SAMPLERS)
def test_lambda_0_and_share_0_are_the_plain_sampler_bit_for_bit_and_above_0_are_not(texted, make_pooled, sampler):
    data, losses = replace(texted, pool=make_pooled(texted).pool), []
    off = {"guard": 0.0, "guard_features": "text", "pool_share": 0.0}
    for more in ({}, off, {"guard": 1.0}, {"pool_share": 0.5}, {"pool_share": 0.5, "guard": 1.0}):
        trainer = Trainer(data, CFConfig(sampler=sampler, ahns={"alpha": 1.0, "beta": 0.05}, **SMALL, **more), 1)
        losses.append(tuple(trainer.run_epoch().loss for _ in range(2)))
    assert losses[0] == losses[1]
    assert len(set(losses)) == 4


@pytest.mark.parametrize("sampler", ["dns", "dns_mn", "mixgcf", "dins", "ahns"])
def test_a_stronger_guard_takes_fewer_items_of_high_belief(texted, sampler):
    """Also where AHNS wants an easy negative: a likely false one is never preferred for it."""
    shape = (HOPS, DIM) if sampler in {"mixgcf", "dins"} else (DIM,)
    batch, table, means = every_pair(texted), embeddings(texted, *shape), []
    g = torch.tensor(beliefs(build("dns", texted, guard=LAMBDA), texted))
    for strength in (0.0, 0.5, 2.0):
        one = build(sampler, texted, guard=strength, ahns={"alpha": 1.5, "beta": 0.05})
        items = one.sample(batch, table).items.view(len(batch.users), -1)
        means.append(g[batch.users.unsqueeze(1), items].mean().item())
    assert means[0] - 0.1 > means[1] > means[2] + 0.1


@pytest.mark.parametrize(("share", "pooled_ones"), [(0.05, 1), (0.25, 2), (0.5, 3), (1.0, 6)])
@pytest.mark.parametrize("sampler", CANDIDATE_SAMPLERS)
def test_a_share_of_the_candidates_walks_the_pools_weights_and_the_rest_stays(pooled, sampler, share, pooled_ones):
    shape = (HOPS, DIM) if sampler in {"mixgcf", "dins"} else (DIM,)
    mixed, plain = build(sampler, pooled, pool_share=share), build(sampler, pooled)
    batch, table = every_pair(pooled), embeddings(pooled, *shape)
    drawn, uniform = recorded(mixed), recorded(plain)
    for one in (mixed, plain):
        one.sample(batch, table)
    generator, pool = torch.Generator().manual_seed(5), pooled.pool
    points = torch.rand(len(batch.users), pooled_ones, generator=generator, dtype=torch.float64).tolist()
    for n, own in enumerate(points):
        first, end = pool.indptr[n], pool.indptr[n + 1]
        expected = uniform[0][n].tolist()
        for slot, point in enumerate(own if first < end else ()):
            left, entry = point * float(pool.weights[first:end].astype(float).sum()), first
            while left >= pool.weights[entry]:
                left -= float(pool.weights[entry])
                entry += 1
            expected[slot] = pool.items[entry]
        assert drawn[0][n].tolist() == expected


def test_items_of_the_pool_come_as_often_as_they_weigh_and_no_candidate_is_a_positive():
    train = Positives.from_pairs([0, 0, 1], [0, 1, 3], 2)
    pool = NegativePool.from_rows(train, [0, 0, 0], [1, 1, 1], [2, 5, 7], [0.1, 0.6, 0.3], n_items=9)
    data = CFData(2, 9, train, pool=pool)
    sampler, edge = build("dns", data, candidates=4, pool_share=0.5), torch.ones(20_000, dtype=torch.int64)
    drawn = sampler.draw_candidates(Batch(torch.zeros_like(edge), edge, edge)).numpy()
    counts = np.bincount(drawn[:, :2].ravel(), minlength=9)
    assert counts[[0, 1, 3, 4, 6, 8]].sum() == 0
    assert stats.chisquare(counts[[2, 5, 7]], 40_000 * np.array([0.1, 0.6, 0.3])).pvalue > 1e-4
    assert stats.chisquare(np.bincount(drawn[:, 2:].ravel(), minlength=9)[2:]).pvalue > 1e-4
    together = stats.chi2_contingency(np.histogram2d(drawn[:, 0], drawn[:, 1], bins=(3, 3))[0])
    assert together.pvalue > 1e-4
    assert np.isin(sampler.draw_candidates(every_pair(data))[0], [0, 1]).sum() == 0


@pytest.mark.parametrize("sampler", ["rns", "pns", "srns", "in_batch"])
def test_samplers_without_candidates_take_no_share(pooled, sampler):
    told = rf"cf\.pool_share 0\.5 is a share of the candidates of dns, .*not '{sampler}'"
    with pytest.raises(InputError, match=told):
        Trainer(pooled, CFConfig(sampler=sampler, pool_share=0.5), 1)


def test_a_share_without_a_pool_is_refused(data):
    with pytest.raises(InputError, match=r"cf\.pool_share 0\.5 needs a pool of negatives and the data has none"):
        Trainer(data, CFConfig(sampler="dns", pool_share=0.5), 1)
