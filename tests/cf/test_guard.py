from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import (
    CFData,
    Judgements,
    Positives,
    Trainer,
    evaluate,
    false_negative_logits,
    fit_false_negatives,
    train,
)
from hnlm_ray.cf.guard import Guard, logits, questions, rule
from hnlm_ray.cf.guard import rule as beliefs
from hnlm_ray.cf.guard.calibration import area_under_curve, measure_fits
from hnlm_ray.cf.guard.rule import HighestBeliefs, open_beliefs
from hnlm_ray.config import CFConfig
from hnlm_ray.config.cf_parts import BeliefConfig

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
    monkeypatch.setattr(questions, "CELLS_PER_BLOCK", 700)
    np.testing.assert_allclose(false_negative_logits(low_rank, "full", 0), whole, atol=2e-3)


def test_the_regression_is_asked_about_pairs_that_its_features_have_not_seen(low_rank, monkeypatch):
    asked = {}
    known, fit = logits.PairFeatures, logits.fit_regression
    trains = []
    for module in (questions, logits):
        monkeypatch.setattr(module, "PairFeatures", lambda train, *more: trains.append(train) or known(train, *more))
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
    made, make = [], rule.fit_false_negatives
    monkeypatch.setattr(rule, "fit_false_negatives", lambda *given: made.append(given[1]) or make(*given))
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


def test_what_cant_be_guarded_is_refused(data, texted):
    for given, settings, message in (
        (texted, {"sampler": "rns"}, "not 'rns'"),
        (texted, {"sampler": "pool", "base_sampler": "pns"}, "not 'pns'"),
        (data, {}, "guard_features needs the items' text"),
        (data, {"guard_features": "text"}, "guard_features needs the items' text"),
    ):
        with pytest.raises(InputError, match=message):
            Trainer(given, CFConfig(**{**SMALL, "guard": 0.5, **settings}), 1)
    everything = CFData(1, 2, Positives.from_pairs([0, 0], [0, 1], 1))
    with pytest.raises(InputError, match="no training pair"):
        false_negative_logits(everything, "cf", 0)


def test_users_who_know_everything_dont_stop_it():
    users, items = np.nonzero(np.ones((2, 6)))
    few = Positives.from_pairs(np.append(users, [2, 2]), np.append(items, [0, 3]), 3)
    g = false_negative_logits(CFData(3, 6, few), "cf", 0)
    assert np.isfinite(g).all()
    assert not g[:2].any()


def test_beyond_a_dense_table_the_highest_beliefs_are_kept(low_rank, monkeypatch):
    found = fit_false_negatives(low_rank, "full", 0)
    monkeypatch.setattr(beliefs, "DENSE_CELLS", 0)
    monkeypatch.setattr(beliefs, "SPARSE_CELLS", 150 * 12)
    kept = open_beliefs(found, low_rank)
    assert isinstance(kept, HighestBeliefs)
    everyone, everything = torch.arange(150), torch.arange(100).expand(150, -1)
    got, g = kept.at(everyone, everything).numpy(), found.beliefs(slice(0, 150))
    order = np.argsort(-g, axis=1)
    for row in range(150):
        high, low = order[row, :12], order[row, 12:]
        np.testing.assert_allclose(got[row, high], g[row, high], atol=2e-3)
        np.testing.assert_allclose(got[row, low], g[row, low].mean(), atol=2e-3)
    assert beliefs.beliefs_bytes(150, 100) == 150 * (12 * 6 + 4)


def test_a_training_with_the_highest_beliefs_alone_holds_back_too(low_rank, monkeypatch):
    monkeypatch.setattr(beliefs, "DENSE_CELLS", 0)
    monkeypatch.setattr(beliefs, "SPARSE_CELLS", 150 * 30)
    monkeypatch.setattr(rule, "SEED", 5)
    shares = []
    for strength in (0.0, 3.0):
        config = CFConfig(**{**SMALL, "guard": strength, "candidates": 8, "batch_size": 1500})
        trainer = Trainer(replace(low_rank, item_text=low_rank.item_text + 2), config, 1)
        (batch,) = trainer._batches()
        negatives = trainer.sampler.sample(batch, trainer.model().detach()).items
        keys = low_rank.test.keys(low_rank.items)
        shares.append(np.isin((batch.users * low_rank.items + negatives).numpy(), keys).mean())
    assert shares[0] > 1.5 * shares[1]


def test_a_network_can_take_the_place_of_the_regression(low_rank):
    found = fit_false_negatives(low_rank, "full", 0, BeliefConfig(model="mlp"))
    assert advantage(low_rank, found.beliefs(slice(0, 150))) > 0.4
    again = fit_false_negatives(low_rank, "full", 0, BeliefConfig(model="mlp"))
    assert np.array_equal(found.logits(slice(0, 9)), again.logits(slice(0, 9)))


def test_without_popularity_it_does_not_know_it(low_rank):
    assert fit_false_negatives(low_rank, "full", 0, BeliefConfig(popularity=False)).known.names == (
        *("cf.score", "cf.squared"),
        *("text.taste", "text.votes", "text.cold"),
    )


def test_a_verdict_moves_the_belief_by_its_weight(low_rank):
    users, items = low_rank.test.pairs()
    judged = Judgements.from_pairs(users[:40], items[:40], np.resize([1, -1, 0], 40), low_rank.users)
    data = replace(low_rank, judgements=judged)
    plain = fit_false_negatives(low_rank, "cf", 0).beliefs(slice(0, 150))
    moved = fit_false_negatives(data, "cf", 0, BeliefConfig(verdict=0.5)).beliefs(slice(0, 150)) - plain
    expected = np.zeros_like(moved)
    expected[users[:40], items[:40]] = np.resize([0.5, -0.5, 0], 40)
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    assert np.array_equal(fit_false_negatives(data, "cf", 0, BeliefConfig(verdict=0)).beliefs(slice(0, 150)), plain)


@pytest.mark.parametrize("verdicts", [[1], [1, -1, 0]])
def test_each_judged_pair_has_one_verdict(verdicts):
    with pytest.raises(InputError, match="give one verdict a pair"):
        Judgements.from_pairs([0, 1], [0, 1], verdicts, 2)


def test_what_the_users_texts_were_written_from_is_not_held_out(low_rank, monkeypatch):
    users, items = low_rank.train.pairs()
    told = Positives.from_pairs(users[::2], items[::2], low_rank.users)
    text = np.random.default_rng(0).standard_normal((150, 12)).astype(np.float32)
    kept = []
    known = questions.PairFeatures
    monkeypatch.setattr(questions, "PairFeatures", lambda train, *more: kept.append(train) or known(train, *more))
    found = fit_false_negatives(replace(low_rank, user_text=text, user_text_from=told), "full", 0)
    assert "llm.profile" in found.known.names
    assert np.isin(told.keys(100), kept[0].keys(100)).all()
    everything = replace(low_rank, user_text=text, user_text_from=low_rank.train)
    with pytest.raises(InputError, match="no training pair"):
        fit_false_negatives(everything, "full", 0)
    for features in ("cf", "text"):  # which the users' texts are no part of
        plain = fit_false_negatives(low_rank, features, 0).logits(slice(0, 150))
        assert np.array_equal(fit_false_negatives(everything, features, 0).logits(slice(0, 150)), plain)


def test_a_belief_is_another_with_other_anchors_or_another_source_of_the_texts(texted, make_vectored):
    data = make_vectored(texted)
    told = replace(data, user_text_from=Positives.from_pairs([0], [int(data.train.items[0])], data.users))
    turned = replace(data, vectors=replace(data.vectors, anchors=-data.vectors.anchors))
    full, text = ([rule._content(each, features) for each in (data, told, turned)] for features in ("full", "text"))
    assert len(set(full)) == 3
    assert len(set(text)) == 1


def test_more_evidence_planted_more_found_and_shuffled_none(low_rank):
    """AUC of the text's features alone, by how much of the taste the text tells."""
    rng, areas = np.random.default_rng(2), []
    for noise in (8.0, 2.0, 0.5):
        text = low_rank.item_text + noise * rng.standard_normal(low_rank.item_text.shape).astype(np.float32)
        fits = measure_fits(replace(low_rank, item_text=text), "full", BeliefConfig(), 0)
        areas.append({fit.features: fit.auc for fit in fits})
    assert areas[0]["text alone"] + 0.05 < areas[1]["text alone"] < areas[2]["text alone"] - 0.01
    assert areas[0]["all"] < areas[2]["all"]
    shuffled = replace(low_rank, item_text=low_rank.item_text[rng.permutation(100)])
    by_shuffled = {fit.features: fit.auc for fit in measure_fits(shuffled, "text", BeliefConfig(popularity=False), 0)}
    assert abs(by_shuffled["all"] - 0.5) < 0.06
    assert areas[2]["all"] > areas[2]["without text"]


def test_probabilities_are_calibrated_out_of_fold(low_rank):
    (fit, *others) = measure_fits(low_rank, "full", BeliefConfig(), 0)
    assert {other.features for other in others} == {
        *("without cf", "without popularity", "without text"),
        *("cf alone", "popularity alone", "text alone"),
    }
    assert sum(one.questions for one in fit.bins) == 150 * 21
    for one in fit.bins:
        assert abs(one.predicted - one.observed) < 0.09
    assert fit.log_loss < min(other.log_loss for other in others if other.features.endswith("alone"))


def test_the_area_under_the_curve_by_hand():
    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert area_under_curve(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert np.isnan(area_under_curve(np.array([1.0]), np.array([True])))


def test_the_ranking_gains_with_the_evidence_planted_and_not_with_shuffled_text():
    """Test NDCG@20 of guarded DNS over plain DNS on planted tastes, by how much of the taste the text tells."""
    gains = {name: [] for name in ("little", "some", "much", "shuffled")}
    for seed in range(2):
        data = planted_tastes(seed)
        rng = np.random.default_rng(seed + 9)
        noise = rng.standard_normal(data.item_text.shape).astype(np.float32)
        texts = {name: data.item_text + weight * noise for name, weight in (("little", 8), ("some", 2), ("much", 0.5))}
        texts["shuffled"] = data.item_text[rng.permutation(data.items)]
        plain = guarded_ndcg(data, 0.0, seed)
        for name, text in texts.items():
            gains[name].append(guarded_ndcg(replace(data, item_text=text), 0.5, seed) - plain)
    little, some, much, shuffled = (np.mean(gains[name]) for name in ("little", "some", "much", "shuffled"))
    assert little + 0.03 < some < much
    assert much > 0.08
    assert abs(shuffled) < 0.04


def planted_tastes(seed, users=200, items=150):
    """Of the 24 items that each user likes, 8 are in train and 10 in test."""
    rng = np.random.default_rng(seed)
    taste, trait = rng.standard_normal((users, 4)), rng.standard_normal((items, 4))
    liked = np.argsort(-(taste @ trait.T + rng.gumbel(size=(users, items))), axis=1)[:, :24]
    seen = rng.permuted(liked, axis=1)
    splits = [
        Positives.from_pairs(np.repeat(np.arange(users), part.shape[1]), part.ravel(), users)
        for part in (seen[:, :8], seen[:, 8:14], seen[:, 14:])
    ]
    return CFData(users, items, *splits, item_text=(trait @ rng.standard_normal((4, 12)) + 2).astype(np.float32))


def guarded_ndcg(data, strength, seed):
    config = CFConfig(
        model="mf", sampler="dns", candidates=16, guard=strength, guard_features="text", dim=8, lr=0.02,
        epochs=40, patience=40, batch_size=400,
    )  # fmt: skip
    return evaluate(train(data, config, seed).scorer, data, "test").means["ndcg@20"]
