from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
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
from hnlm_ray.cf.samplers import Batch, HopNegatives, Negatives, SharedNegatives
from hnlm_ray.cf.training.hardness import Ranked, choose_pairs, draw_negatives, held_out_positives, negative_wins
from hnlm_ray.cf.training.named_items import NONE, NearestItems, named_items
from hnlm_ray.cf.training.redraw import redraw
from hnlm_ray.config import CFConfig

SMALL = {"model": "mf", "dim": 6, "epochs": 3, "batch_size": 64, "lr": 0.05}


def ranks_above(lead):
    return 1.0 if lead > 0 else 0.5 if lead == 0 else 0.0


def batch_of(users, items=None):
    users = torch.tensor(users)
    return Batch(users, torch.zeros_like(users) if items is None else torch.tensor(items), torch.arange(len(users)))


def only_negative(data, item_of):
    """A pool with one negative a training pair."""
    users, items = data.train.pairs()
    chosen = np.array([item_of(user) for user in users])
    pool = NegativePool.from_rows(data.train, users, items, chosen, np.ones(len(users)), n_items=data.items)
    return replace(data, pool=pool), chosen


def test_hardness_is_the_share_of_negatives_that_rank_above_their_positives(data):
    seen = [set(data.train.items[data.train.indptr[u] : data.train.indptr[u + 1]]) for u in range(data.users)]
    free = [next(item for item in range(data.items) if item not in seen[user]) for user in range(data.users)]
    pooled, chosen = only_negative(data, lambda user: free[user])
    fitted = train(pooled, CFConfig(sampler="pool", alpha=1.0, **SMALL), 1)
    users, items = data.train.pairs()
    user, item = fitted.user_embeddings.numpy(), fitted.item_embeddings.numpy()
    leads = [user[u] @ item[j] - user[u] @ item[i] for u, i, j in zip(users, items, chosen, strict=True)]
    assert measure_hardness(fitted, 7).hardness == pytest.approx(np.mean([ranks_above(lead) for lead in leads]))


@pytest.mark.parametrize("settings", [{"sampler": "rns"}, {"sampler": "dns"}, {"sampler": "dns", "guard": 1.0}])
def test_the_scale_of_the_embeddings_decides_nothing(data, settings):
    """Scores that a monotone map of each user's own takes to others: the same sampler is as hard."""
    config = CFConfig(candidates=8, guard_features="cf", **settings, **SMALL)
    model = Ranked.of(train(data, config, 1).trainer)
    scale = 2.0 ** torch.randint(-4, 5, (data.users, 1), generator=torch.Generator().manual_seed(0))
    users = torch.cat([scale, torch.full((data.items, 1), 8.0)])
    pairs = choose_pairs(data, 7, 10**6)
    plain, scaled = (redraw(one, data, config, pairs, 3) for one in (model, replace(model, final=users * model.final)))
    assert np.array_equal(plain.wins, scaled.wins)
    assert np.array_equal(plain.false, scaled.false)
    assert 0 < plain.wins.mean() < 1


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


def test_a_vector_counts_as_the_item_nearest_to_it_in_the_adapted_space(vectored):
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
    expected, false, as_sampled = [], [], []
    held = {(u, i) for split in (vectored.validation, vectored.test) for u, i in zip(*split.pairs(), strict=True)}
    known = set(zip(*(column.tolist() for column in vectored.train.pairs()), strict=True))
    for batch, negatives in drawn:
        for n, (u, i) in enumerate(zip(batch.users.tolist(), batch.items.tolist(), strict=True)):
            j, row = int(negatives.items[n]), int(negatives.vector_rows[n])
            parts = {j: 1.0}
            if row >= 0:
                with torch.no_grad():
                    hard = fitted.trainer.adapted.adapter(fitted.trainer.adapted.vectors[row : row + 1])[0].numpy()
                cosines = {k: hard @ item[k] / np.linalg.norm(item[k]) for k in range(len(item)) if (u, k) not in known}
                nearest = max(cosines, key=cosines.get)
                parts = {j: 1.0} if nearest == j else {nearest: 0.5, j: 0.5}
            expected.append(sum(part * ranks_above(user[u] @ (item[k] - item[i])) for k, part in parts.items()))
            false.append(sum(part * ((u, k) in held) for k, part in parts.items()))
            as_sampled.append((u, j) in held)
    assert len(expected) == len(vectored.train)
    assert found.hardness == pytest.approx(np.mean(expected))
    assert found.false_negative_share == pytest.approx(np.mean(false))
    assert found.false_negative_share != pytest.approx(np.mean(as_sampled))


def test_on_another_model_a_vector_counts_as_the_item_whose_anchor_is_nearest(vectored):
    config = CFConfig(sampler="vectors", alpha=1.0, **SMALL)
    model = Ranked.of(train(replace(vectored, vectors=None), CFConfig(**SMALL), 1).trainer)
    pairs = choose_pairs(vectored, 7, 10**6)
    drawn = redraw(model, vectored, config, pairs, 3)
    users, items = (column[pairs] for column in vectored.train.pairs())
    known = set(zip(*(column.tolist() for column in vectored.train.pairs()), strict=True))
    vectors, final = vectored.vectors, model.final.numpy()
    for place in np.flatnonzero(vectors.row[pairs] >= 0)[:50]:
        u, i = int(users[place]), int(items[place])
        allowed = [k for k in np.flatnonzero(vectors.anchored) if (u, int(k)) not in known]
        nearest = max(allowed, key=lambda k: vectors.vectors[vectors.row[pairs[place]]] @ vectors.anchors[k])
        lead = final[u] @ (final[vectored.users + nearest] - final[vectored.users + i])
        assert drawn.wins[place] == ranks_above(lead)
        assert drawn.false[place] == held_out_positives(np.array([u]), np.array([nearest]), vectored)[0]


def test_what_cannot_be_redrawn_on_another_model_says_why(vectored):
    model = Ranked.of(train(replace(vectored, vectors=None), CFConfig(**{**SMALL, "model": "ngcf"}), 1).trainer)
    bare = replace(vectored, vectors=replace(vectored.vectors, anchors=None, anchored=None))
    for data, settings, why in (
        (bare, {"sampler": "vectors"}, "no anchors"),
        (vectored, {"sampler": "srns"}, "while its own model was trained"),
        (vectored, {"sampler": "mixgcf"}, "no mean of layers"),
        (vectored, {"loss": "sampled_softmax"}, "draws no negative for a pair"),
        (vectored, {"sampler": "pool"}, "needs a pool"),
    ):
        with pytest.raises(InputError, match=why):
            redraw(model, data, CFConfig(**{**SMALL, **settings}), choose_pairs(vectored, 7, 100), 3)


def test_the_nearest_item_is_none_that_the_user_has_or_that_is_absent():
    data = CFData(3, 4, Positives.from_pairs([0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 3, 0, 1, 2], 3))
    nearest = NearestItems(
        torch.tensor([[9.0, 0], [2, 1], [0, 1], [5, 1]]), data, torch.tensor([True, True, True, False])
    )
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert nearest.of(vectors, torch.tensor([0, 1, 2])).tolist() == [1, 2, NONE]


def test_where_nothing_is_held_out_no_share_is_told(data):
    alone = replace(data, validation=None, test=None)
    assert measure_hardness(train(alone, CFConfig(**SMALL), 1), 7).false_negative_share is None


def test_pairs_are_a_seeded_sample_of_those_that_have_a_negative():
    everything = Positives.from_pairs([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 2, 1], 3)  # user 0 knows the catalogue
    data = CFData(3, 3, everything)
    assert sorted(choose_pairs(data, 1, 100).tolist()) == [3, 4, 5]
    chosen = [choose_pairs(data, seed, 2).tolist() for seed in range(20)]
    assert all(len(set(pairs)) == 2 and set(pairs) <= {3, 4, 5} for pairs in chosen)
    assert len({tuple(pairs) for pairs in chosen}) > 1
    assert chosen[3] == choose_pairs(data, 3, 2).tolist()


def test_the_pieces_by_hand():
    data = CFData(2, 9, *(Positives.from_pairs([user], [item], 2) for user, item in ((0, 1), (0, 2), (1, 8))))
    users, items = np.array([0, 0, 1, 1], np.int32), np.array([2, 1, 8, 2])
    assert held_out_positives(users, items, data).tolist() == [True, False, True, False]
    embeddings = torch.tensor([[1.0, 2.0], [0, 1], *([float(item), 0.0] for item in range(9))])
    batch, candidates = batch_of([0, 0], [3, 3]), torch.tensor([[4, 3], [2, 8]])
    assert negative_wins(Ranked(data, embeddings, lambda: None, 2), batch, candidates).tolist() == [[1, 0.5], [0, 1]]
    flat = negative_wins(Ranked(data, embeddings, lambda: None, 2), batch_of([1, 1], [3, 3]), candidates)
    assert flat.tolist() == [[0.5, 0.5], [0.5, 0.5]]  # user 1 scores all items alike


def test_a_negative_counts_by_the_items_that_it_is_made_of():
    batch, sampled, hard = batch_of([0, 0, 1]), torch.tensor([2, 1, 8]), torch.tensor([1, 2, 8])
    mix = torch.tensor([0.25, 0.5, 0.0])
    plain = named_items(Negatives(sampled), batch)
    assert (plain.items.tolist(), plain.parts.tolist()) == ([[2], [1], [8]], [[1], [1], [1]])
    several = named_items(Negatives(torch.tensor([[2, 3], [1, 4], [8, 0]])), batch)
    assert several.parts.tolist() == [[0.5, 0.5]] * 3
    layers = named_items(HopNegatives(torch.tensor([[2, 3], [1, 4], [8, 0]]), torch.ones(3, 2, 1)), batch)
    assert layers.items.tolist() == [[2, 3], [1, 4], [8, 0]]
    mixed = named_items(Negatives(sampled, pool_items=hard, mix=mix), batch)
    assert mixed.items.tolist() == [[1, 2], [2, 1], [8, 8]]
    assert mixed.parts.tolist() == [[0.25, 0.75], [0.5, 0.5], [0, 1]]
    vectors = Negatives(sampled, vector_rows=torch.tensor([7, 9, -1]), mix=mix)
    meant = named_items(vectors, batch, lambda users, rows: torch.where(rows == 9, NONE, rows - 3 + users))
    assert meant.items.tolist() == [[4, 2], [1, 1], [8, 8]]
    assert meant.parts.tolist() == [[0.25, 0.75], [0, 1], [0, 1]]  # a vector that means no item leaves the sampled one
    for negatives in (vectors, SharedNegatives(sampled, mix, torch.ones(3, 3, dtype=torch.bool))):
        with pytest.raises(InputError, match="measure another sampler"):
            named_items(negatives, batch)


def test_dynamic_negatives_are_harder_than_uniform_ones(data):
    fitted = [train(data, CFConfig(sampler=sampler, **{**SMALL, "epochs": 20}), 1) for sampler in ("rns", "dns")]
    model, pairs = Ranked.of(fitted[0].trainer), choose_pairs(data, 7, 10**6)
    uniform, dynamic = (draw_negatives(one.trainer.sampler, model, pairs).wins.mean() for one in fitted)
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
        assert len({measure_hardness_now(watched, seed, 100) for seed in (7, 8, 9)}) > 1
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
