from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import CFData, Positives, Trainer, false_negative_logits
from hnlm_ray.cf.guard import Guard, logits, rule
from hnlm_ray.config import CFConfig
from hnlm_ray.errors import InputError

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01, "candidates": 4, "sampler": "dns"}


@pytest.fixture
def low_rank():
    """Users and items have a taste each; a user's positives are the best of noisy scores, half of them in train."""
    rng = np.random.default_rng(0)
    taste, trait = rng.standard_normal((150, 4)), rng.standard_normal((100, 4))
    scores = taste @ trait.T + rng.gumbel(size=(150, 100))
    liked = np.argsort(-scores, axis=1)[:, :20]
    seen = rng.permuted(liked, axis=1)
    users = np.repeat(np.arange(150), 10)
    train, test = (Positives.from_pairs(users, part.ravel(), 150) for part in (seen[:, :10], seen[:, 10:]))
    text = (trait @ rng.standard_normal((4, 12)) + 2 + 0.5 * rng.standard_normal((100, 12))).astype(np.float32)
    return CFData(150, 100, train, test=test, item_text=text)


def advantage(data, g):
    """The mean belief in the held-out positives over that in the other unobserved items."""
    held_out = np.zeros((data.users, data.items), bool)
    held_out[data.test.pairs()] = True
    other = ~held_out
    other[data.train.pairs()] = False
    return g[held_out].mean(dtype=float) - g[other].mean(dtype=float)


@pytest.mark.parametrize("features", ["cf", "text", "full"])
def test_unseen_positives_are_believed_to_be_false_negatives(low_rank, features):
    g = false_negative_logits(low_rank, features, 0)
    assert (g.shape, g.dtype) == ((150, 100), np.float16)
    assert advantage(low_rank, g) > 0.4


def test_all_evidence_is_better_than_text_alone_and_shuffled_text_is_worth_nothing(low_rank):
    rng = np.random.default_rng(1)
    shuffled = replace(low_rank, item_text=low_rank.item_text[rng.permutation(100)])
    full, text, noise = (
        advantage(data, false_negative_logits(data, features, 0))
        for data, features in ((low_rank, "full"), (low_rank, "text"), (shuffled, "text"))
    )
    assert full > text > abs(noise) + 0.2


def test_rows_are_standardised_over_the_unobserved(low_rank):
    g = false_negative_logits(low_rank, "full", 0).astype(float)
    free = np.ones(g.shape, bool)
    free[low_rank.train.pairs()] = False
    assert not g[~free].any()
    for row, mask in zip(g, free, strict=True):
        assert row[mask].mean() == pytest.approx(0, abs=2e-3)
        assert row[mask].std() == pytest.approx(1, abs=2e-3)


def test_held_out_splits_are_never_read(low_rank):
    without = replace(low_rank, test=None)
    moved = replace(low_rank, test=None, validation=low_rank.test)
    found = [false_negative_logits(data, "full", 3) for data in (low_rank, without, moved)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_blocks_of_users_change_nothing(low_rank, monkeypatch):
    whole = false_negative_logits(low_rank, "full", 0)
    monkeypatch.setattr(logits, "CELLS_PER_BLOCK", 700)
    np.testing.assert_allclose(false_negative_logits(low_rank, "full", 0), whole, atol=2e-3)


def test_the_regression_is_asked_about_pairs_that_its_features_have_not_seen(low_rank, monkeypatch):
    asked = {}
    known, fit = logits.PairFeatures, logits.fit_regression
    trains = []
    monkeypatch.setattr(logits, "PairFeatures", lambda train, *more: trains.append(train) or known(train, *more))
    monkeypatch.setattr(logits, "fit_regression", lambda x, y: asked.update(x=x, y=y) or fit(x, y))
    false_negative_logits(low_rank, "cf", 0)
    rest, everything = trains
    assert everything is low_rank.train
    assert (len(rest), len(everything)) == (1350, 1500)
    assert np.isin(rest.keys(100), everything.keys(100)).all()
    assert asked["x"].shape == (150 * 21, 3)
    assert asked["y"].sum() == 150
    assert asked["y"].reshape(150, 21)[:, 0].all()


def test_the_rule_written_out(texted):
    config = CFConfig(guard=0.7, guard_features="full", **SMALL)
    guard = Guard(texted, config, torch.device("cpu"))
    g = false_negative_logits(texted, "full", rule.SEED).astype(np.float32)
    rng = np.random.default_rng(0)
    users, candidates = rng.integers(texted.users, size=9), rng.integers(texted.items, size=(9, 5))
    scores = rng.standard_normal((9, 5)).astype(np.float32)
    got = guard.hold_back(*(torch.from_numpy(part) for part in (scores, users, candidates)))
    for row, user in enumerate(users):
        for column, item in enumerate(candidates[row]):
            expected = scores[row, column] - 0.7 * np.std(scores[row]) * g[user, item]
            assert got[row, column].item() == pytest.approx(expected, abs=1e-6)


def test_dns_takes_the_hardest_guarded_candidate(texted):
    trainer = Trainer(texted, CFConfig(guard=1.5, **SMALL), 1)
    plain = Trainer(texted, CFConfig(**SMALL), 1)
    sampler, drawn = trainer.sampler, []
    draw = sampler.unobserved.draw
    sampler.unobserved.draw = lambda *asked: drawn.append(draw(*asked)) or drawn[-1]
    batch, final = next(iter(trainer._batches())), trainer.model().detach()
    chosen = sampler.sample(batch, final).items
    scores = (final[batch.users][:, None] * final[texted.users + drawn[0]]).sum(2)
    guarded = sampler.guard.hold_back(scores, batch.users, drawn[0])
    assert torch.equal(chosen, drawn[0].gather(1, guarded.argmax(1, keepdim=True)).squeeze(1))
    unguarded = plain.sampler.sample(next(iter(plain._batches())), final).items
    assert 0.1 < (chosen != unguarded).float().mean() < 0.9


@pytest.mark.parametrize("settings", [{"sampler": "dns"}, {"sampler": "vectors", "base_sampler": "dns"}])
def test_lambda_0_is_plain_dns_bit_for_bit_and_above_0_is_not(texted, make_vectored, settings):
    data = make_vectored(texted)
    runs = []
    for more in ({}, {"guard": 0.0, "guard_features": "text"}, {"guard": 1.0}):
        trainer = Trainer(data, CFConfig(**{**SMALL, **settings, **more}), 1)
        runs.append([trainer.run_epoch().loss for _ in range(2)])
    assert runs[0] == runs[1] != runs[2]


def test_a_stronger_guard_takes_fewer_unseen_positives(low_rank):
    keys, shares = low_rank.test.keys(low_rank.items), []
    for strength in (0.0, 1.0, 3.0):
        trainer = Trainer(low_rank, CFConfig(**{**SMALL, "guard": strength, "candidates": 8, "batch_size": 1500}), 1)
        for _ in range(40):
            trainer.run_epoch()
        (batch,) = trainer._batches()
        negatives = trainer.sampler.sample(batch, trainer.model().detach()).items
        shares.append(np.isin((batch.users * low_rank.items + negatives).numpy(), keys).mean())
    assert shares[0] > 1.5 * shares[1] > 1.5 * shares[2]


def test_the_belief_is_made_once_for_many_trainings(texted, make_pooled, monkeypatch):
    made, make = [], rule.false_negative_logits
    monkeypatch.setattr(rule, "false_negative_logits", lambda *given: made.append(given[1]) or make(*given))
    for features in ("cf", "full", "cf"):
        for seed in (1, 2):
            Trainer(texted, CFConfig(guard=1.0, guard_features=features, **SMALL), seed)
    assert made == ["cf", "full"]
    by = {features: CFConfig(guard=1.0, guard_features=features, **SMALL) for features in ("cf", "full")}
    Trainer(make_pooled(texted), by["cf"], 1)  # another pool, the same training positives
    assert made == ["cf", "full"]
    Trainer(replace(texted, item_text=texted.item_text + 1), by["full"], 1)
    assert made == ["cf", "full", "full"]
    fewer = Positives.from_pairs(*(column[1:] for column in texted.train.pairs()), texted.users)
    Trainer(replace(texted, train=fewer), by["cf"], 1)
    assert made == ["cf", "full", "full", "cf"]


def test_what_cant_be_guarded_is_refused(data, texted, monkeypatch):
    for given, settings, message in (
        (texted, {"sampler": "rns"}, "not 'rns'"),
        (texted, {"sampler": "pool", "base_sampler": "pns"}, "not 'pns'"),
        (data, {}, "'full' needs the items' text"),
        (data, {"guard_features": "text"}, "'text' needs the items' text"),
    ):
        with pytest.raises(InputError, match=message):
            Trainer(given, CFConfig(**{**SMALL, "guard": 0.5, **settings}), 1)
    everything = CFData(1, 2, Positives.from_pairs([0, 0], [0, 1], 1))
    with pytest.raises(InputError, match="no training pair"):
        false_negative_logits(everything, "cf", 0)
    monkeypatch.setattr(logits, "MOST_CELLS", data.users * data.items - 1)
    with pytest.raises(InputError, match="users x items, 4800 here"):
        false_negative_logits(data, "cf", 0)


def test_users_who_know_everything_dont_stop_it():
    users, items = np.nonzero(np.ones((2, 6)))
    few = Positives.from_pairs(np.append(users, [2, 2]), np.append(items, [0, 3]), 3)
    g = false_negative_logits(CFData(3, 6, few), "cf", 0)
    assert np.isfinite(g).all()
    assert not g[:2].any()
