from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import (
    CFData,
    NegativePool,
    Positives,
    Trainer,
    measure_hardness,
    measure_hardness_now,
    open_training,
    train,
)
from hnlm_ray.cf.hardness import choose_pairs, false_shares, held_out_positives, negative_wins
from hnlm_ray.cf.samplers import Negatives
from hnlm_ray.config import CFConfig

SMALL = {"model": "mf", "dim": 6, "epochs": 3, "batch_size": 64, "lr": 0.05}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def only_negative(data, item_of):
    """A pool with one negative a training pair."""
    users, items = data.train.pairs()
    chosen = np.array([item_of(user) for user in users])
    pool = NegativePool.from_rows(data.train, users, items, chosen, np.ones(len(users)), n_items=data.items)
    return replace(data, pool=pool), chosen


def test_hardness_is_the_mean_sigmoid_of_the_score_differences(data):
    seen = [set(data.train.items[data.train.indptr[u] : data.train.indptr[u + 1]]) for u in range(data.users)]
    free = [next(item for item in range(data.items) if item not in seen[user]) for user in range(data.users)]
    pooled, chosen = only_negative(data, lambda user: free[user])
    fitted = train(pooled, CFConfig(sampler="pool", alpha=1.0, **SMALL), 1)
    users, items = data.train.pairs()
    user, item = fitted.user_embeddings.numpy(), fitted.item_embeddings.numpy()
    expected = [sigmoid(user[u] @ item[j] - user[u] @ item[i]) for u, i, j in zip(users, items, chosen, strict=True)]
    assert measure_hardness(fitted, 7).hardness == pytest.approx(np.mean(expected), abs=1e-6)


def test_a_mixed_negative_is_as_false_as_its_parts(data):
    held = [
        set(split.items[split.indptr[u] : split.indptr[u + 1]]) for split in (data.test,) for u in range(data.users)
    ]
    pooled, _ = only_negative(data, lambda user: min(held[user]))
    for alpha in (1.0, 0.6, 0.2):
        fitted = train(pooled, CFConfig(sampler="pool", alpha=alpha, base_sampler="rns", **SMALL), 1)
        sampled = measure_hardness(fitted, 7).false_negative_share - alpha  # the pool's items are all held out
        assert 0.01 * (1 - alpha) - 1e-6 <= sampled <= 0.3 * (1 - alpha) + 1e-6  # 4 of 72 unobserved items are


@pytest.mark.parametrize("sampler", ["rns", "pns", "dns"])
def test_the_same_seed_measures_the_same(data, sampler):
    config = (
        CFConfig(sampler=sampler, candidates=16, **SMALL) if sampler == "dns" else CFConfig(sampler=sampler, **SMALL)
    )
    found = measure_hardness(train(data, config, 1), 7)
    assert 0 < found.hardness < 1
    assert 0 < found.false_negative_share < 0.5
    again = measure_hardness(train(data, config, 1), 7)
    assert again == found


def test_vectors_score_through_the_adapter_and_the_sampled_item_counts(vectored):
    config = CFConfig(sampler="vectors", alpha=0.5, base_sampler="rns", **SMALL)
    fitted = train(vectored, config, 1)
    before = fitted.trainer.sampler
    drawn = []

    class Watched:
        reads = "final"

        def sample(self, batch, embeddings):
            drawn.append((batch, negatives := before.sample(batch, embeddings)))
            return negatives

    fitted.trainer.sampler = Watched()
    found = measure_hardness(fitted, 7)
    user, item = fitted.user_embeddings.numpy(), fitted.item_embeddings.numpy()
    expected, false = [], []
    held = {(u, i) for split in (vectored.validation, vectored.test) for u, i in zip(*split.pairs(), strict=True)}
    for batch, negatives in drawn:
        for n, (u, i) in enumerate(zip(batch.users.tolist(), batch.items.tolist(), strict=True)):
            j, row = int(negatives.items[n]), int(negatives.vector_rows[n])
            vector = item[j]
            if row >= 0:
                with torch.no_grad():
                    hard = fitted.trainer.adapted.adapter(fitted.trainer.adapted.vectors[row : row + 1])[0].numpy()
                vector = 0.5 * hard + 0.5 * item[j]
            expected.append(sigmoid(user[u] @ vector - user[u] @ item[i]))
            false.append((u, j) in held)
    assert len(expected) == len(vectored.train)
    assert found.hardness == pytest.approx(np.mean(expected), abs=1e-5)
    assert found.false_negative_share == pytest.approx(np.mean(false))


def test_where_nothing_is_held_out_no_share_is_told(data):
    alone = replace(data, validation=None, test=None)
    assert measure_hardness(train(alone, CFConfig(**SMALL), 1), 7).false_negative_share is None


def test_pairs_are_a_seeded_sample_of_those_that_have_a_negative():
    everything = Positives.from_pairs([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 2, 1], 3)  # user 0 knows the catalogue
    data = CFData(3, 3, everything)
    assert choose_pairs(data, 1, 100).tolist() == [3, 4, 5]
    chosen = [choose_pairs(data, seed, 2).tolist() for seed in range(20)]
    assert all(len(set(pairs)) == 2 and set(pairs) <= {3, 4, 5} and pairs == sorted(pairs) for pairs in chosen)
    assert len({tuple(pairs) for pairs in chosen}) > 1
    assert chosen[3] == choose_pairs(data, 3, 2).tolist()


def test_the_pieces_by_hand():
    user, positive = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0]])
    assert negative_wins(user, positive, torch.tensor([[0.0, 2.0]])).item() == pytest.approx(sigmoid(4 - 3))
    data = CFData(2, 9, *(Positives.from_pairs([user], [item], 2) for user, item in ((0, 1), (0, 2), (1, 8))))
    users, items = np.array([0, 0, 1, 1], np.int32), np.array([2, 1, 8, 2])
    assert held_out_positives(users, items, data).tolist() == [True, False, True, False]
    sampled, pooled, mix = torch.tensor(items), torch.tensor([1, 2, 8, 8]), torch.tensor([0.25, 0.25, 0.5, 0.75])
    assert false_shares(users, Negatives(sampled), data).tolist() == [1, 0, 1, 0]
    mixed = Negatives(sampled, pool_items=pooled, mix=mix)
    assert false_shares(users, mixed, data).tolist() == [0.75, 0.25, 1, 0.75]
    assert false_shares(users, Negatives(sampled, vector_rows=pooled, mix=mix), data).tolist() == [1, 0, 1, 0]


def test_dynamic_negatives_are_harder_than_uniform_ones(data):
    fitted = [train(data, CFConfig(sampler=sampler, **{**SMALL, "epochs": 20}), 1) for sampler in ("rns", "dns")]
    uniform, dynamic = (measure_hardness(replace(fitted[0], trainer=one.trainer), 7).hardness for one in fitted)
    assert dynamic > uniform  # both samplers on the same embeddings


@pytest.mark.parametrize("model", ["mf", "lightgcn", "simgcl"])
@pytest.mark.parametrize("sampler", ["rns", "dns", "dns_mn", "ahns", "srns", "in_batch", "pool", "vectors", "mixgcf"])
def test_a_training_that_is_measured_goes_on_bit_for_bit(data, make_pooled, make_vectored, model, sampler):
    model = "lightgcn" if sampler == "mixgcf" else model
    both = replace(make_vectored(data), pool=make_pooled(data).pool)
    srns = {"warm_up": 0, "epochs": 2}
    config = CFConfig(**{**SMALL, "model": model}, sampler=sampler, base_sampler="dns", srns=srns)
    quiet, watched = Trainer(both, config, 1), Trainer(both, config, 1)
    for _ in range(3):
        assert quiet.run_epoch().loss == watched.run_epoch().loss
        found = measure_hardness_now(watched, 7, 100)
        assert 0 < found.hardness < 1
        assert found == measure_hardness_now(watched, 7, 100)
        assert found != measure_hardness_now(watched, 8, 100)
    assert torch.equal(quiet.model.table, watched.model.table)


def test_the_false_share_of_an_epoch_is_that_of_what_the_sampler_takes(data):
    trainer = Trainer(data, CFConfig(sampler="dns", candidates=32, **SMALL), 1)
    for _ in range(20):
        trainer.run_epoch()
    shares = [measure_hardness_now(trainer, seed).false_negative_share for seed in range(20)]
    final, users, items = trainer.model().detach(), [], []
    for batch in [batch for _ in range(20) for batch in trainer._batches()]:
        users.append(batch.users)
        items.append(trainer.sampler.sample(batch, final).items)
    false = held_out_positives(torch.cat(users).numpy().astype(np.int32), torch.cat(items).numpy(), data)
    assert false.mean() > 0.1
    assert np.mean(shares) == pytest.approx(false.mean(), abs=0.02)


def test_a_training_that_is_fused_is_measured_without_the_fusion(data):
    started, shares = [], []
    config = CFConfig(sampler="dns", fusion=0.5, teacher={"kernel": 0, "profile": 0, "votes": 0, "cold": 0}, **SMALL)
    train(data, config, 1, on_start=started.append,
          on_epoch=lambda *_: shares.append(measure_hardness_now(started[0], 7).false_negative_share))  # fmt: skip
    assert all(0 < share < 1 for share in shares)
    assert len(shares) == 3


def test_what_draws_no_negative_for_a_pair_has_no_hardness(data):
    for settings in ({"model": "ease"}, {"loss": "softmax"}, {"loss": "sampled_softmax"}):
        assert measure_hardness_now(open_training(data, CFConfig(**settings), 1), 7) is None
