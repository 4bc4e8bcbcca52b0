"""Weights of pairs: read by key, and drawn in proportion where pairs are drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, Positives, train, with_held_out_in_train
from hnlm_ray.cf.data.batches import TrainingPairs
from hnlm_ray.cf.data.positives import PairWeights
from hnlm_ray.cf.training.settings_read import reads_weights
from hnlm_ray.config import CFConfig

USERS, ITEMS = 40, 30


def data(weights=None):
    users, items = np.divmod(np.arange(USERS * 5), 5)
    train_rows = Positives.from_pairs(users, (items * 3 + users) % ITEMS, USERS)
    test = Positives.from_pairs(np.arange(USERS), (np.arange(USERS) + 1) % ITEMS, USERS)
    return CFData(USERS, ITEMS, train_rows, test=test, weights=weights)


def weighed(value=9.0):
    """Give the first pair of each user a weight, and its test pair another."""
    users = np.arange(USERS)
    pairs = np.concatenate([users, users]), np.concatenate([users % ITEMS, (users + 1) % ITEMS])
    return PairWeights.from_pairs(*pairs, np.repeat([value, 4.0], USERS), ITEMS)


def test_weights_follow_their_pairs_and_others_weigh_one():
    made = data(weighed())
    users, items = made.train.pairs()
    expected = np.where(items == users % ITEMS, 9.0, 1.0)
    assert made.weights.of(made.train, ITEMS).tolist() == expected.tolist()
    moved = with_held_out_in_train(made)
    users, items = moved.train.pairs()
    assert moved.weights.of(moved.train, ITEMS)[items == (users + 1) % ITEMS].tolist() == [4.0] * USERS


def test_pairs_are_drawn_in_proportion_as_many_as_there_are():
    made = TrainingPairs(data(weighed()), torch.device("cpu"))
    shuffle, counts = torch.Generator().manual_seed(1), np.zeros(USERS * 5)
    for _ in range(200):
        drawn = torch.cat([batch.edges for batch in made.batches(shuffle, 64)]).numpy()
        assert len(drawn) == len(made)
        counts += np.bincount(drawn, minlength=USERS * 5)
    users, items = data().train.pairs()
    heavy = items == users % ITEMS
    assert counts[heavy].mean() / counts[~heavy].mean() == pytest.approx(9, rel=0.05)


def test_without_weights_each_pair_comes_once():
    made = TrainingPairs(data(), torch.device("cpu"))
    drawn = torch.cat([batch.edges for batch in made.batches(torch.Generator().manual_seed(1), 64)])
    assert sorted(drawn.tolist()) == list(range(USERS * 5))


@pytest.mark.parametrize(
    ("settings", "reads"),
    [({}, True), ({"loss": "sampled_softmax"}, True), ({"loss": "softmax"}, False), ({"model": "ease"}, False)],
)
def test_a_training_reads_them_where_it_says_so(settings, reads):
    config = CFConfig(model="mf", dim=4, epochs=2, **({"lr": 0.01} if "model" not in settings else {})).model_copy(
        update=settings
    )
    assert reads_weights(config) is reads
    scores = [
        train(replace(data(), weights=weights), config, 1).scorer.scores(torch.arange(USERS))
        for weights in (None, weighed())
    ]
    assert torch.equal(*scores) is not reads


@pytest.mark.parametrize("weights", [[0.0, 1.0], [np.nan, 1.0], [1.0]])
def test_what_is_no_weight_is_refused(weights):
    with pytest.raises(InputError, match="one finite number above 0"):
        PairWeights.from_pairs([0, 1], [0, 1], weights, 3)
    with pytest.raises(InputError, match="two weights"):
        PairWeights.from_pairs([0, 0], [1, 1], [1.0, 2.0], 3)
