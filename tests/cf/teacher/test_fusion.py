"""Late fusion: what it ranks, and how its weight is chosen."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, DivergedError, EmbeddingScores, Positives, choose_fusion, evaluate, fuse, top_items
from hnlm_ray.cf.teacher import fusion as fusion_module


@dataclass(frozen=True, eq=False)
class Fixed:
    """Scores as given, a row a user; counts how often a user was scored."""

    table: torch.Tensor
    asked: list
    device = torch.device("cpu")

    @property
    def items(self):
        return self.table.shape[1]

    def scores(self, users):
        self.asked.extend(users.tolist())
        return self.table[users].clone()

    def check(self):
        pass


def fixed(rows):
    return Fixed(torch.as_tensor(np.asarray(rows), dtype=torch.float32), [])


def noise(data, seed, scale=1.0):
    return fixed(np.random.default_rng(seed).standard_normal((data.users, data.items)) * scale)


def pointing(data, split, seed=0, strength=1.0):
    """Scores that hold the positives of a split, under noise."""
    scores = np.random.default_rng(seed).standard_normal((data.users, data.items))
    scores[split.pairs()] += strength
    return fixed(scores)


def ranked(scorer, data, k=15):
    return top_items(scorer, np.arange(data.users), (data.train,), k)[0]


def z(rows):
    return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)


@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_it_ranks_as_the_sum_of_standardised_scores(data, weight):
    first, second = noise(data, 1, scale=7.0), noise(data, 2, scale=1e-3)
    ours = fuse(first, second, weight).scores(torch.arange(data.users)).double().numpy()
    expected = z(first.table.double().numpy()) + weight * z(second.table.double().numpy())
    np.testing.assert_allclose(z(ours), z(expected), atol=1e-5)


def test_weight_0_is_the_first_model_bit_for_bit(data):
    first, second = noise(data, 1), noise(data, 2)
    users = torch.arange(data.users)
    assert torch.equal(fuse(first, second, 0.0).scores(users), first.table)
    assert second.asked == []
    assert np.array_equal(ranked(fuse(first, second, 0.0), data), ranked(first, data))


def test_a_large_weight_is_the_second_models_ranking(data):
    rng = np.random.default_rng(2)
    first, second = noise(data, 1), fixed([rng.permutation(data.items) for _ in range(data.users)])
    assert np.array_equal(ranked(fuse(first, second, 1e4), data), ranked(second, data))


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e4])
def test_where_one_scores_all_items_alike_the_other_ranks(data, constant):
    flat, other = fixed(np.full((data.users, data.items), constant)), noise(data, 2, scale=1e-3)
    for fused in (fuse(flat, other, 0.5), fuse(other, flat, 0.5)):
        assert np.array_equal(ranked(fused, data), ranked(other, data))


def test_an_item_that_one_of_the_two_masks_stays_masked_and_out_of_the_standardisation(data):
    first, second = noise(data, 1, scale=7.0), noise(data, 2)
    whole = fuse(fixed(first.table[:, 5:]), fixed(second.table[:, 5:]), 0.7).scores(torch.arange(data.users))
    first.table[:, :3] = -torch.inf
    second.table[:, 2:5] = -torch.inf
    part = fuse(first, second, 0.7).scores(torch.arange(data.users))
    assert torch.isneginf(part[:, :5]).all()
    torch.testing.assert_close(part[:, 5:], whole)
    assert torch.equal(fuse(first, second, 0.0).scores(torch.arange(data.users)), first.table)
    best = evaluate(first, data).means
    assert choose_fusion(first, first, data).validation == pytest.approx(best, rel=1e-6)


def test_a_constant_first_model_that_masks_lets_the_second_rank(data):
    flat, other = fixed(np.full((data.users, data.items), 0.1)), noise(data, 2)
    flat.table[:, 7], flat.table[3] = -torch.inf, -torch.inf
    scores = fuse(flat, other, 1.0).scores(torch.arange(data.users))
    assert torch.isneginf(scores[3]).all()
    kept = [item for item in range(data.items) if item != 7]
    assert torch.equal(scores[4, kept].argsort(), other.table[4, kept].argsort())


def test_masked_items_are_never_ranked(data):
    pushed = pointing(data, data.train, strength=100.0)
    items = ranked(fuse(noise(data, 1), pushed, 5.0), data)
    known = set(data.train.keys(data.items).tolist())
    assert not known & set((np.arange(data.users)[:, None] * data.items + items).ravel().tolist())


def test_the_weight_is_the_best_of_the_grid_on_validation(data):
    first, second = pointing(data, data.validation, 1), pointing(data, data.validation, 2)
    chosen = choose_fusion(first, second, data, metric="recall@10", cutoffs=(10, 20))
    assert sorted(first.asked) == sorted(second.asked) == data.validation.active_users().tolist()
    found = [evaluate(fuse(first, second, weight), data).means for weight in fusion_module.WEIGHTS]
    best = max(range(len(found)), key=lambda place: found[place]["recall@10"])
    assert 0 < chosen.weight == fusion_module.WEIGHTS[best]
    assert chosen.validation == pytest.approx(found[best], rel=1e-6)
    assert chosen.validation["recall@10"] > max(evaluate(model, data).means["recall@10"] for model in (first, second))


def test_blocks_of_users_are_added_up(data, monkeypatch):
    first, second = pointing(data, data.validation, 1), pointing(data, data.validation, 2)
    whole = choose_fusion(first, second, data)
    monkeypatch.setattr(fusion_module, "block_users", lambda *_: 7)
    parts = choose_fusion(first, second, data)
    assert parts.weight == whole.weight
    assert parts.validation == pytest.approx(whole.validation, rel=1e-9)


def test_test_is_never_read(data):
    """A second model that knows the test positives, and is harmful on validation, is left out."""
    first, knows_test = pointing(data, data.validation, 1, strength=3.0), pointing(data, data.test, 2, strength=9.0)
    chosen = choose_fusion(first, knows_test, data)
    assert chosen.weight == 0
    assert chosen.validation == pytest.approx(evaluate(first, data).means, rel=1e-6)
    better = {weight: evaluate(fuse(first, knows_test, weight), data, "test").means["ndcg@20"] for weight in (0, 1.0)}
    assert better[1.0] > better[0]
    assert choose_fusion(first, knows_test, replace(data, test=None)) == chosen


def test_of_equal_weights_the_lowest_is_chosen(data):
    same = noise(data, 1)
    assert choose_fusion(same, same, data).weight == 0


def test_fewer_items_than_the_cut_off():
    data = CFData(2, 4, *(Positives.from_pairs([0, 1], items, 2) for items in ([0, 1], [1, 2])))
    chosen = choose_fusion(fixed(np.zeros((2, 4))), fixed([[0, 1, 0, 0], [0, 0, 1, 0]]), data)
    assert chosen.weight > 0
    assert chosen.validation["recall@20"] == 1


def test_scores_that_are_not_finite_raise(data):
    good, bad = noise(data, 1), noise(data, 2)
    bad.table[5, 3] = torch.nan
    users = torch.arange(data.users)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(DivergedError, match="not finite"):
            choose_fusion(*pair, data)
        with pytest.raises(DivergedError, match="not finite"):
            fuse(*pair, 1.0).scores(users)
    with pytest.raises(DivergedError, match="not finite"):
        fuse(bad, good, 0.0).scores(users)
    diverged = EmbeddingScores(torch.full((data.users, 2), torch.nan), torch.zeros(data.items, 2))
    with pytest.raises(DivergedError, match="embeddings"):
        ranked(fuse(good, diverged, 1.0), data)


def test_what_does_not_fit_is_refused(data):
    first = noise(data, 1)
    other = fixed(np.zeros((data.users, 70)))
    with pytest.raises(InputError, match="80 and 70 items"):
        fuse(first, other, 1.0)
    with pytest.raises(InputError, match="80 and 70 items"):
        choose_fusion(first, other, data)
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="finite and 0 or above"):
            fuse(first, first, weight)
    with pytest.raises(InputError, match=r"'ndcg@5' isn't measured"):
        choose_fusion(first, first, data, metric="ndcg@5")
    with pytest.raises(InputError, match="'validation'"):
        choose_fusion(first, first, replace(data, validation=None))


def test_a_block_of_users_looks_at_its_own_positives_alone(data, monkeypatch):
    """Those of all users in each block would take time in the square of the users."""
    first, second = noise(data, 1), pointing(data, data.validation)
    expected = choose_fusion(first, second, data)
    monkeypatch.setattr(Positives, "keys", lambda *_: pytest.fail("read the positives of all users"))
    assert choose_fusion(first, second, data) == expected
