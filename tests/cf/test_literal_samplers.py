"""Each sampler against its published rule, written out pair by pair, on the same candidates."""

import math

import numpy as np
import pytest
import torch

from hnlm_ray.cf import SAMPLERS, CFData, Positives
from hnlm_ray.cf.objectives.pairs import hop_rows
from hnlm_ray.cf.samplers import Batch, SamplerInputs
from hnlm_ray.config import CFConfig

HOPS, DIM = 3, 5


def build(name, data, **values):
    streams = [torch.Generator().manual_seed(seed) for seed in (4, 5)]
    return SAMPLERS[name].open(SamplerInputs(data, CFConfig(sampler=name, **values), *streams, torch.device("cpu")))


def batch_of(data, edges):
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in data.train.pairs())
    return Batch(users[edges], items[edges], torch.as_tensor(edges))


def every_pair(data):
    return batch_of(data, np.arange(len(data.train)))


def final_of(data):
    return torch.randn(data.users + data.items, DIM, generator=torch.Generator().manual_seed(3))


def hops_of(data):
    return torch.randn(data.users + data.items, HOPS, DIM, generator=torch.Generator().manual_seed(3))


def recorded(sampler):
    """The candidates that the sampler draws, as lists, in the order of its calls."""
    drawn, draw = [], sampler.unobserved.draw
    sampler.unobserved.draw = lambda *given: drawn.append(draw(*given)) or drawn[-1]
    return drawn


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def pairs_and_rows(data, batch, table):
    """For each pair its number, the rows of user and positive, and all items' rows, as lists of floats."""
    rows = table.double().tolist()
    for number, (user, item) in enumerate(zip(batch.users.tolist(), batch.items.tolist(), strict=True)):
        yield number, rows[user], rows[data.users + item], rows[data.users :]


def test_rns_takes_the_first_proposal_that_is_no_positive(make_planted):
    data = make_planted(users=30, items=14, per_user=12)
    sampler, proposed = build("rns", data), []
    propose = sampler.unobserved._propose
    sampler.unobserved._propose = lambda shape: proposed.append(propose(shape)) or proposed[-1]
    batch = every_pair(data)
    negatives = sampler.sample(batch, final_of(data)).items.tolist()
    positives = set(zip(*(column.tolist() for column in data.train.pairs()), strict=True))
    rounds = [iter(block.tolist()) for block in proposed]
    assert len(rounds) > 2
    of_pairs = [list(next(rounds[0])) for _ in negatives]
    for later in rounds[1:]:
        for user, seen in zip(batch.users.tolist(), of_pairs, strict=True):
            if all((user, item) in positives for item in seen):
                seen.extend(next(later))
    for user, negative, seen in zip(batch.users.tolist(), negatives, of_pairs, strict=True):
        allowed = [item for item in seen if (user, item) not in positives]
        # After the last round the user's complement is drawn from.
        assert negative == allowed[0] if allowed else (user, negative) not in positives


@pytest.mark.parametrize("power", [0.0, 0.75])
def test_pns_proposes_and_corrects_by_popularity_to_the_power(data, power):
    sampler = build("pns", data, popularity_power=power)
    weights = [max(1, sum(1 for item in data.train.items if item == j)) ** power for j in range(data.items)]
    table = sampler.unobserved.table
    odds = table.own.clone().index_add_(0, table.alias.long(), 1 - table.own) / data.items
    np.testing.assert_allclose(odds, np.array(weights) / sum(weights), rtol=1e-9)
    batch = every_pair(data)
    drawn = sampler.sample(batch, final_of(data))
    for items, logs in ((drawn.items, drawn.log_q), (batch.items, drawn.positive_log_q)):
        expected = [math.log(weights[item] / sum(weights)) for item in items.tolist()]
        np.testing.assert_allclose(logs, expected, rtol=1e-6)


def test_dns_is_the_argmax_of_the_scores(data):
    sampler, batch, table = build("dns", data, candidates=6), every_pair(data), final_of(data)
    drawn = recorded(sampler)
    negatives = sampler.sample(batch, table).items.tolist()
    for n, user, _, items in pairs_and_rows(data, batch, table):
        assert negatives[n] == max(drawn[0][n].tolist(), key=lambda j: dot(user, items[j]))


def test_dns_mn_sum_is_the_top_m_in_order(data):
    sampler = build("dns_mn", data, candidates=9, dns={"top": 4, "rule": "sum"})
    batch, table, drawn = every_pair(data), final_of(data), recorded(sampler)
    negatives = sampler.sample(batch, table).items.tolist()
    for n, user, _, items in pairs_and_rows(data, batch, table):
        assert negatives[n] == sorted(drawn[0][n].tolist(), key=lambda j: -dot(user, items[j]))[:4]


def test_dns_mn_one_is_among_the_top_m(data):
    sampler = build("dns_mn", data, candidates=9, dns={"top": 4, "rule": "one"})
    batch, table, drawn, ranks = every_pair(data), final_of(data), recorded(sampler), set()
    negatives = sampler.sample(batch, table).items.tolist()
    for n, user, _, items in pairs_and_rows(data, batch, table):
        ranks.add(sorted(drawn[0][n].tolist(), key=lambda j: -dot(user, items[j])).index(negatives[n]))
    assert ranks == {0, 1, 2, 3}


def test_ahns_is_the_argmin_of_the_distance_to_the_wanted_score(data):
    settings = {"alpha": 0.3, "beta": 0.6, "power": -2.5}
    sampler = build("ahns", data, candidates=6, ahns=settings)
    batch, table, drawn, clamped = every_pair(data), final_of(data), recorded(sampler), 0
    negatives = sampler.sample(batch, table).items.tolist()
    for n, user, positive, items in pairs_and_rows(data, batch, table):
        base = dot(user, positive) + 0.3
        clamped += base < 1e-3
        wanted = 0.6 * max(base, 1e-3) ** (-2.5 + 1)
        assert negatives[n] == min(drawn[0][n].tolist(), key=lambda j: abs(dot(user, items[j]) - wanted))
    assert 0 < clamped < len(negatives)


def test_ahns_takes_the_hardest_below_its_pole_where_the_equation_without_a_bound_takes_the_easiest(data):
    batch, table = every_pair(data), final_of(data)
    sampler = build("ahns", data, candidates=6, ahns={"alpha": 0.1, "beta": 0.4, "power": -2.0})
    drawn, below = recorded(sampler), []
    negatives = sampler.sample(batch, table).items.tolist()
    for n, user, positive, items in pairs_and_rows(data, batch, table):
        scores = {j: dot(user, items[j]) for j in drawn[0][n].tolist()}
        base = dot(user, positive) + 0.1
        if base <= 0:
            assert negatives[n] == max(scores, key=scores.get)
            below.append(0.4 / base < min(scores.values()) and min(scores, key=scores.get) != negatives[n])
    assert any(below)  # some want less than all candidates have, without the bound


def mean_of_hops(rows):
    return [sum(column) / HOPS for column in zip(*rows, strict=True)]


def mixed(data, batch, hops, negatives):
    """The negatives as the loss sees them: pooled as the encoder pools, float64[batch, dim]."""
    return hop_rows(hops.double(), batch, negatives, data.users)[2].mean(1)


def test_mixgcf_mixes_the_positive_in_and_pools_the_hardest_of_each_layer(data):
    sampler, batch, hops = build("mixgcf", data, candidates=6), every_pair(data), hops_of(data)
    drawn = recorded(sampler)
    negatives = sampler.sample(batch, hops)
    share, found = negatives.share.squeeze(2).tolist(), mixed(data, batch, hops, negatives)
    for n, user, positive, items in pairs_and_rows(data, batch, hops):
        u, chosen = mean_of_hops(user), []
        for layer in range(HOPS):
            a = share[n][layer]
            candidates = [
                [a * x + (1 - a) * y for x, y in zip(positive[layer], items[j][layer], strict=True)]
                for j in drawn[0][n].tolist()
            ]
            chosen.append(max(candidates, key=lambda e, u=u: dot(u, e)))
        np.testing.assert_allclose(found[n], mean_of_hops(chosen), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.3, 8.0])
def test_dins_weighs_each_dimension(data, alpha):
    sampler, batch = build("dins", data, candidates=6, dins_alpha=alpha), every_pair(data)
    hops, drawn = hops_of(data), recorded(sampler)
    found = mixed(data, batch, hops, sampler.sample(batch, hops))
    for n, user, positive, items in pairs_and_rows(data, batch, hops):
        u, chosen = mean_of_hops(user), []
        for layer in range(HOPS):
            hardest = max((items[j][layer] for j in drawn[0][n].tolist()), key=lambda e, u=u: dot(u, e))
            made = []
            for d in range(DIM):
                i, h = positive[layer][d], hardest[d]
                w = math.exp(u[d] * h) / (math.exp(u[d] * h) + alpha * math.exp(u[d] * i))
                made.append((1 - w) * i + w * h)
            chosen.append(made)
        np.testing.assert_allclose(found[n], mean_of_hops(chosen), atol=1e-6)


def test_dins_is_finite_whatever_the_scores(data):
    hops = hops_of(data) * 1e4
    assert torch.isfinite(build("dins", data).sample(every_pair(data), hops).share).all()


def test_in_batch_is_the_hardest_allowed_item_of_the_batch_or_else_uniform():
    # User 0 knows items 0 to 3, so a batch of these leaves nothing for them.
    train = Positives.from_pairs([0, 0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 0, 4, 2, 3], 4)
    data = CFData(4, 9, train)
    table, positives = final_of(data), set(zip(*(column.tolist() for column in train.pairs()), strict=True))
    for edges, without in (([0, 1, 2, 3, 4, 6, 7], 4), ([0, 4, 5, 6, 7], 0), ([1, 1, 5, 6], 0)):
        sampler, batch = build("in_batch", data), batch_of(data, edges)
        drawn = recorded(sampler)
        negatives = sampler.sample(batch, table).items.tolist()
        fallen_back = 0
        for n, user, _, items in pairs_and_rows(data, batch, table):
            allowed = [j for j in batch.items.tolist() if (int(batch.users[n]), j) not in positives]
            if allowed:
                assert negatives[n] == max(allowed, key=lambda j, user=user, items=items: dot(user, items[j]))
            else:
                assert negatives[n] == drawn[0][fallen_back]
                fallen_back += 1
        assert fallen_back == without


def test_shared_in_batch_negatives_leave_out_positives_and_know_their_odds(data):
    sampler = build("in_batch", data, loss="sampled_softmax")
    batch = batch_of(data, [5, 5, 9, 100, 230, 101])
    shared = sampler.sample(batch, final_of(data))
    positives = set(zip(*(column.tolist() for column in data.train.pairs()), strict=True))
    assert shared.items.tolist() == batch.items.tolist()
    for row, user in enumerate(batch.users.tolist()):
        assert shared.allowed[row].tolist() == [(user, item) not in positives for item in batch.items.tolist()]
    share = [math.log((data.train.items == item).sum() / len(data.train)) for item in batch.items.tolist()]
    np.testing.assert_allclose(shared.log_q, share, rtol=1e-6)


def test_the_pool_walks_its_weights_to_the_drawn_point(pooled):
    sampler, batch = build("pool", pooled, alpha=0.4), every_pair(pooled)
    twin = torch.Generator()
    twin.set_state(sampler.pool.generator.get_state())
    points = torch.rand(len(batch.users), generator=twin, dtype=torch.float64).tolist()
    negatives, pool = sampler.sample(batch, final_of(pooled)), pooled.pool
    seen = set()
    for n, point in enumerate(points):
        first, end = pool.indptr[n], pool.indptr[n + 1]
        if first == end:
            assert negatives.mix[n] == 0
            continue
        left, entry = point * float(pool.weights[first:end].astype(float).sum()), first
        while left >= pool.weights[entry]:
            left -= float(pool.weights[entry])
            entry += 1
        assert negatives.pool_items[n] == pool.items[entry]
        assert negatives.mix[n] == np.float32(0.4)
        seen.add(int(entry - first))
    assert seen == {0, 1, 2}
