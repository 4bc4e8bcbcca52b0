import numpy as np
import pytest
import torch
from ranx import Qrels, Run
from ranx import evaluate as ranx_evaluate

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, EmbeddingScores, Positives, evaluate
from hnlm_ray.cf.evaluate import evaluation
from hnlm_ray.cf.evaluate.evaluation import catalogue_figures

NAMES = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")


def tied_embeddings(data, seed=0):
    """Small integers: dot products are exact and full of ties."""
    values = torch.randint(-1, 2, (data.users + data.items, 3), generator=torch.Generator().manual_seed(seed))
    return values[: data.users].float(), values[data.users :].float()


def slow_ranking(user_vectors, item_vectors, data, user, split):
    """All items by descending score, then by index, without those seen: a literal loop."""
    seen = set(data.train.items[data.train.indptr[user] : data.train.indptr[user + 1]].tolist())
    if split == "test":
        seen |= set(data.validation.items[data.validation.indptr[user] : data.validation.indptr[user + 1]].tolist())
    scores = (item_vectors @ user_vectors[user]).tolist()
    return sorted((item for item in range(data.items) if item not in seen), key=lambda item: (-scores[item], item))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_parity_with_ranx_on_scores_full_of_ties(data, split):
    embeddings, cutoffs = tied_embeddings(data), (1, 5, 20)
    ours = evaluate(EmbeddingScores(*embeddings), data, split, cutoffs)
    held_out = data.held_out(split)
    qrels, run = {}, {}
    for user in ours.users.tolist():
        relevant = held_out.items[held_out.indptr[user] : held_out.indptr[user + 1]]
        qrels[str(user)] = {f"i{item}": 1 for item in relevant}
        order = slow_ranking(*embeddings, data, user, split)
        run[str(user)] = {f"i{item}": float(len(order) - rank) for rank, item in enumerate(order)}
    names = [f"{name}@{k}" for name in NAMES for k in cutoffs]
    theirs = ranx_evaluate(Qrels(qrels), Run(run), names, return_mean=False, threads=1)
    order = np.argsort([str(user) for user in ours.users.tolist()])
    # ranx divides an average precision by all n held-out positives, also where the list can't hold them.
    n = held_out.degree[ours.users][order]
    theirs |= {f"map@{k}": theirs[f"map@{k}"] * n / np.minimum(n, k) for k in cutoffs}
    for name in names:
        np.testing.assert_allclose(ours.per_user[name][order], theirs[name], atol=1e-6, err_msg=name)
        assert ours.means[name] == pytest.approx(float(np.mean(theirs[name])), abs=1e-6)


def test_by_hand():
    train = Positives.from_pairs([0, 1, 2], [0, 0, 0], 3)
    data = CFData(3, 5, train, Positives.from_pairs([0], [1], 3), Positives.from_pairs([0, 0, 2], [2, 4, 1], 3))
    users, items = torch.ones(3, 1), torch.tensor([[9.0], [5.0], [1.0], [2.0], [3.0]])
    # User 0 in test: item 0 (train) and 1 (validation) masked, so 4, 3, 2. User 2: 1, 4, 3, 2.
    test = evaluate(EmbeddingScores(users, items), data, "test", (1, 2))
    assert test.users.tolist() == [0, 2]
    assert test.per_user["recall@1"].tolist() == [0.5, 1.0]
    assert test.per_user["ndcg@1"].tolist() == [1.0, 1.0]
    assert test.per_user["ndcg@2"][0] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert test.means["recall@1"] == 0.75
    # In validation item 1 is ranked first: only train is masked. Users without positives don't count.
    validation = evaluate(EmbeddingScores(users, items), data, "validation", (1,))
    assert validation.users.tolist() == [0]
    assert validation.means["mrr@1"] == 1.0


def test_cut_offs_above_the_catalogue_change_the_precision_alone():
    data = CFData(1, 3, Positives.from_pairs([0], [0], 1), test=Positives.from_pairs([0], [2], 1))
    means = evaluate(EmbeddingScores(torch.ones(1, 1), torch.zeros(3, 1)), data, "test", (2, 10)).means
    assert means["recall@10"] == means["recall@2"] == 1.0
    assert means["precision@10"] == pytest.approx(0.1)


def test_what_cant_be_evaluated_is_said(data):
    embeddings = tied_embeddings(data)
    with pytest.raises(InputError, match="'valid'"):
        evaluate(EmbeddingScores(*embeddings), data, "valid")
    with pytest.raises(InputError, match="1 or above"):
        evaluate(EmbeddingScores(*embeddings), data, "test", (0,))


@pytest.mark.parametrize("k", [3, 10, 2**31 - 1])
def test_lists_end_with_the_catalogue_at_any_cut_off(k):
    data = CFData(2, 3, Positives.from_pairs([0], [0], 2), test=Positives.from_pairs([0, 1], [2, 1], 2))
    found = evaluate(EmbeddingScores(torch.ones(2, 1), torch.zeros(3, 1)), data, "test", (k,))
    assert found.ranked.tolist() == [[1, 2, -1], [0, 1, 2]]
    assert found.means[f"recall@{k}"] == found.catalogue[f"coverage@{k}"] == 1


def test_a_user_who_has_seen_everything_else_gets_what_is_left():
    train, test = Positives.from_pairs([0, 0, 0], [0, 1, 3], 1), Positives.from_pairs([0], [2], 1)
    found = evaluate(
        EmbeddingScores(torch.ones(1, 1), torch.zeros(4, 1)), CFData(1, 4, train, None, test), "test", (3,)
    )
    assert found.ranked.tolist() == [[2, -1, -1]]
    assert found.means["ndcg@3"] == 1


def test_metrics_are_the_same_however_many_users_are_counted_at_a_time(data, monkeypatch):
    scorer = EmbeddingScores(*tied_embeddings(data))
    whole = evaluate(scorer, data, "test", (3, 10))
    monkeypatch.setattr(evaluation, "MEASURED_USERS", 7)
    parts = evaluate(scorer, data, "test", (3, 10))
    assert parts.means == whole.means
    assert all(np.array_equal(parts.per_user[name], values) for name, values in whole.per_user.items())


def test_the_lists_and_their_figures_are_kept(data):
    embeddings = tied_embeddings(data)
    found = evaluate(EmbeddingScores(*embeddings), data, "test", (3, 10))
    for user, listed in zip(found.users.tolist(), found.ranked.tolist(), strict=True):
        assert listed == slow_ranking(*embeddings, data, user, "test")[:10]
    popularity = data.train.popularity(data.items)
    assert found.catalogue == catalogue_figures(found.ranked, popularity, data.users, (3, 10))
