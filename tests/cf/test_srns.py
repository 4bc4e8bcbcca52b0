"""SRNS against its algorithm written out, its memories, and the epochs that it looks back on."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import SAMPLERS, CFData, Positives, Trainer
from hnlm_ray.cf.samplers import Batch, SamplerInputs
from hnlm_ray.config import CFConfig

SETTINGS = {"memory": 3, "fresh": 4, "temperature": 0.7, "variance": 6.0, "warm_up": 4, "epochs": 3}


def build(data, seed=4, **values):
    config = CFConfig(sampler="srns", srns={**SETTINGS, **values})
    streams = [torch.Generator().manual_seed(seed + offset) for offset in (0, 1)]
    return SAMPLERS["srns"](SamplerInputs(data, config, *streams, torch.device("cpu")))


def batch_of(data, edges):
    users, items = (torch.from_numpy(column.astype(np.int64)) for column in data.train.pairs())
    return Batch(users[edges], items[edges], torch.as_tensor(edges))


def vectors(data, seed):
    return torch.randn(data.users + data.items, 4, generator=torch.Generator().manual_seed(seed))


def score(data, table, user, item):
    return float(table[user].double() @ table[data.users + item].double())


def odds(data, table, user, positive, item):
    return 1 / (1 + math.exp(score(data, table, user, positive) - score(data, table, user, item)))


def literal_choice(data, batch, memory, tables, weight):
    """The argmax of P + alpha_t std(P) over each pair's memory; ``tables`` are those of the last epochs and of now."""
    *past, now = tables
    chosen = []
    for user, positive in zip(batch.users.tolist(), batch.items.tolist(), strict=True):
        values = []
        for item in memory[user].tolist():
            history = [odds(data, then, user, positive, item) for then in past]
            mean = sum(history) / max(1, len(history))
            deviation = math.sqrt(sum((p - mean) ** 2 for p in history) / max(1, len(history)))
            values.append(odds(data, now, user, positive, item) + weight * deviation)
        chosen.append(int(memory[user][values.index(max(values))]))
    return chosen


def test_epochs_of_srns_are_its_algorithm(data):
    sampler, tables = build(data), [vectors(data, seed) for seed in range(7)]
    assert sampler.memory.shape == (data.users, 3)
    for epoch, table in enumerate(tables):
        past, weight = tables[max(0, epoch - 3) : epoch], 6 * min(1, epoch / 4)
        for step in range(3):
            edges = np.random.default_rng(step).integers(len(data.train), size=40)
            batch, now = batch_of(data, edges), table + 0.1 * step
            before, state = sampler.memory.clone(), sampler.generator.get_state()
            negatives = sampler.sample(batch, now).items
            assert negatives.tolist() == literal_choice(data, batch, before, [*past, now], weight)
            after, owners = sampler.memory.clone(), sorted(set(batch.users.tolist()))
            # The same stream once more: fresh items of each user of the batch, then their Gumbel noise.
            sampler.generator.set_state(state)
            fresh = sampler.unobserved.draw(torch.tensor(owners), 4)
            noise = -(-torch.rand(len(owners), 7, generator=sampler.generator).double().log()).log()
            expected = before.tolist()
            for row, user in enumerate(owners):
                pool = before[user].tolist() + fresh[row].tolist()
                keys = [score(data, now, user, item) / 0.7 + float(noise[row, k]) for k, item in enumerate(pool)]
                expected[user] = [pool[k] for k in sorted(range(7), key=lambda k, keys=keys: -keys[k])[:3]]
            assert after.tolist() == expected
        sampler.end_epoch(table)
    assert sampler.past.shape == (data.users + data.items, 3, 4)


def test_a_memory_is_drawn_without_replacement_by_softmax():
    """Users who are all alike; the odds of each set of 2 of 4 items, from the odds of its orders (Plackett, Luce)."""
    users = 6000
    data = CFData(users, 5, Positives.from_pairs(np.arange(users), np.zeros(users, int), users))
    sampler, table = build(data, memory=2, fresh=2, temperature=0.5), vectors(data, 1)
    table[:users] = table[0]
    weights = [math.exp(score(data, table, 0, item) / 0.5) for item in range(1, 5)]
    sampler.unobserved.draw = lambda users, count: torch.tensor([[3, 4]]).expand(len(users), count)
    sampler.memory[:] = torch.tensor([1, 2], dtype=torch.int32)
    sampler.sample(batch_of(data, np.arange(users)), table)
    sets, total = list(itertools.combinations(range(1, 5), 2)), sum(weights)
    drawn = [tuple(sorted(memory)) for memory in sampler.memory.tolist()]
    expected = []
    for a, b in sets:
        x, y = weights[a - 1], weights[b - 1]
        expected.append(users * (x / total * y / (total - x) + y / total * x / (total - y)))
    assert stats.chisquare([drawn.count(one) for one in sets], expected).pvalue > 1e-4


def test_an_item_new_in_a_memory_is_judged_by_the_epochs_before_it_came():
    data = CFData(1, 4, Positives.from_pairs([0], [0], 1))
    sampler = build(data, memory=2, variance=1.0, warm_up=0)
    for last in (-1.0, 1.0, -1.0):
        sampler.end_epoch(torch.tensor([[1.0], [0.0], [0.3], [0.2], [last]]))
    now = torch.tensor([[1.0], [0.0], [0.3], [0.2], [0.1]])
    for memory, chosen in (([1, 2], 1), ([1, 3], 3), ([2, 3], 3)):
        sampler.memory[0] = torch.tensor(memory, dtype=torch.int32)
        assert sampler.sample(batch_of(data, [0]), now).items.tolist() == [chosen]


@pytest.mark.parametrize(("warm_up", "weights"), [(4, [0, 1.5, 3, 4.5, 6, 6]), (0, [6, 6])])
def test_the_deviation_counts_more_from_epoch_to_epoch(data, warm_up, weights):
    sampler, found = build(data, warm_up=warm_up), []
    for _ in weights:
        found.append(sampler.weight)
        sampler.end_epoch(vectors(data, 0))
    assert found == pytest.approx(weights)


def test_without_its_deviation_it_is_the_hardest_of_the_memory_even_where_a_float32_sigmoid_is_1(data):
    sampler, table = build(data, variance=0.0), vectors(data, 2) * 2
    batch, memory = batch_of(data, np.arange(len(data.train))), sampler.memory.clone()
    negatives = sampler.sample(batch, table).items.tolist()
    leads = []
    for user, positive, negative in zip(batch.users.tolist(), batch.items.tolist(), negatives, strict=True):
        assert negative == max(memory[user].tolist(), key=lambda item, user=user: score(data, table, user, item))
        leads.append(score(data, table, user, negative) - score(data, table, user, positive))
    assert sum(18 < lead < 36 for lead in leads) > 20


def test_users_with_a_single_unobserved_item_and_with_none():
    train = Positives.from_pairs([0, 0, 1, 1, 1, 2], [0, 2, 0, 1, 2, 1], 4)
    data = CFData(4, 3, train)
    sampler = build(data)
    assert sampler.memory[0].tolist() == [1, 1, 1]
    batch = batch_of(data, [0, 1, 5, 0])
    for epoch in range(3):
        negatives = sampler.sample(batch, vectors(data, epoch)).items.tolist()
        assert [negatives[n] for n in (0, 1, 3)] == [1, 1, 1]
        assert negatives[2] in {0, 2}
        sampler.end_epoch(vectors(data, epoch))


def test_only_the_batchs_memories_change_and_hold_no_positive(data):
    sampler = build(data, memory=5, fresh=9)
    known = set(data.train.keys(data.items).tolist())
    before = sampler.memory.clone()
    sampler.sample(batch_of(data, np.arange(80)), vectors(data, 1))
    changed = (sampler.memory != before).any(1)
    assert changed[:10].all()
    assert not changed[10:].any()
    owned = torch.arange(data.users)[:, None] * data.items + sampler.memory
    assert known.isdisjoint(owned.view(-1).tolist())


def test_what_is_kept_is_a_copy_and_bounded(data):
    sampler, table = build(data), vectors(data, 0)
    for _ in range(8):
        sampler.end_epoch(table)
        table.add_(1)
    # Epochs 6, 7 and 5 (0 is the first) of 8.
    expected = table.unsqueeze(1) - torch.tensor([2.0, 1.0, 3.0]).view(1, 3, 1)
    torch.testing.assert_close(sampler.past, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("other", [{"memory": 4}, {"memory": 1}, {"epochs": 2}])
def test_a_state_of_other_settings_is_refused(data, other):
    sampler = build(data)
    for _ in range(3):
        sampler.end_epoch(vectors(data, 0))
    with pytest.raises(InputError, match=r"load it with the same data and cf\.srns"):
        build(data, **other).load_state_dict(sampler.state_dict())


def test_a_seed_repeats_and_other_samplers_order_and_start_stay(data):
    config = CFConfig(model="mf", dim=8, batch_size=100, sampler="srns", srns={**SETTINGS, "warm_up": 1}, lr=0.05)
    runs = [Trainer(data, config, seed) for seed in (1, 1, 2)]
    losses = [[run.run_epoch().loss for _ in range(4)] for run in runs]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    plain = Trainer(data, CFConfig(model="mf", dim=8, batch_size=100), 1)
    again = Trainer(data, config, 1)
    assert torch.equal(plain.model.table, again.model.table)
    assert all(torch.equal(a.edges, b.edges) for a, b in zip(plain._batches(), again._batches(), strict=True))


def test_it_learns_harder_negatives_than_uniform_ones(make_planted):
    data = replace(make_planted(users=120, seed=4), validation=None)
    config = {"model": "mf", "dim": 16, "lr": 0.02, "batch_size": 256}
    srns = Trainer(data, CFConfig(sampler="srns", srns={**SETTINGS, "memory": 8}, **config), 0)
    uniform = Trainer(data, CFConfig(**config), 0)
    untrained = srns.evaluate("test").means["ndcg@20"]
    losses = [[run.run_epoch().loss for _ in range(15)][-1] for run in (srns, uniform)]
    assert losses[0] > losses[1]
    assert srns.evaluate("test").means["ndcg@20"] > 1.5 * untrained
