import numpy as np
import pytest
import torch

from hnlm_ray.cf import DivergedError, EmbeddingScores, Positives, ranking, top_items, top_k


def by_score_then_index(scores):
    return np.stack([np.lexsort((np.arange(len(row)), -row)) for row in scores])


@pytest.mark.parametrize("k", [1, 5, 29, 30])
@pytest.mark.parametrize("levels", [1, 2, 6, 1000])
def test_ties_go_to_the_lower_index(k, levels):
    scores = torch.randint(levels, (50, 30), generator=torch.Generator().manual_seed(k)).float()
    values, columns = top_k(scores, k)
    expected = by_score_then_index(scores.numpy())[:, :k]
    assert np.array_equal(columns.numpy(), expected)
    assert np.array_equal(values.numpy(), np.take_along_axis(scores.numpy(), expected, 1))


def test_masked_items_never_appear_and_missing_ones_are_minus_one(monkeypatch):
    monkeypatch.setattr(ranking, "USERS_PER_BLOCK", 2)
    users, items = torch.eye(3), torch.tensor([[1.0, 0, 0], [2, 5, 0], [3, 0, 1], [4, 0, 0]])
    seen = [Positives.from_pairs([0, 2], [3, 0], 3), Positives.from_pairs([0, 0, 0], [0, 1, 2], 3)]
    ranked, scores = top_items(EmbeddingScores(users, items), np.array([2, 0, 1]), seen, 5)
    assert ranked.tolist() == [[2, 1, 3, -1, -1], [-1] * 5, [1, 0, 2, 3, -1]]
    assert scores[0].tolist() == [1, 0, 0, -np.inf, -np.inf]
    assert (ranked.dtype, scores.dtype) == (np.int32, np.float32)


def test_raw_scores_are_ranked_where_sigmoids_would_tie():
    items = torch.tensor([[100.0], [101.0], [102.0]])
    assert torch.sigmoid(items).unique().numel() == 1
    assert top_items(EmbeddingScores(torch.ones(1, 1), items), np.array([0]), [], 3)[0].tolist() == [[2, 1, 0]]


def test_embeddings_that_are_not_finite_are_no_ranking():
    with pytest.raises(DivergedError, match="not finite"):
        top_items(EmbeddingScores(torch.tensor([[torch.nan]]), torch.ones(2, 1)), np.array([0]), [], 1)
