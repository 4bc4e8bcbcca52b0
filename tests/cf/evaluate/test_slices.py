import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import CFData, EmbeddingScores, Positives, evaluate, measure_slices
from hnlm_ray.cf.evaluate import ranking
from hnlm_ray.cf.evaluate.slices import by_history, by_popularity, found_rows

VALUES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], np.float32)


def test_users_are_grouped_by_quarters_of_their_history():
    figures = by_history(VALUES, np.array([8, 7, 6, 5, 4, 3, 2, 1]))
    assert figures == pytest.approx(
        {
            "history_short": 0.75,
            "history_short_users": 2,
            "history_middle": 0.45,
            "history_middle_users": 4,
            "history_long": 0.15,
            "history_long_users": 2,
        }
    )


def test_users_of_one_length_stay_together_in_the_lower_group():
    figures = by_history(VALUES, np.array([3, 3, 3, 3, 3, 3, 9, 9]))
    assert figures["history_short_users"] == 6
    assert figures["history_long_users"] == 2
    assert figures["history_middle_users"] == 0
    assert "history_middle" not in figures
    assert by_history(VALUES, np.full(8, 5)).keys() >= {"history_short"}
    assert by_history(VALUES[:0], np.array([], np.int64))["history_short_users"] == 0


def test_rows_are_grouped_by_the_training_positives_of_their_item():
    popularity = np.array([0, 1, 2, 3, 4, 0])  # of the four seen items one is rare and one popular
    items = np.array([0, 5, 1, 1, 2, 3, 4], np.int32)
    found = np.array([True, False, True, True, False, True, False])
    assert by_popularity(found, items, popularity) == {
        "items_unseen": 0.5,
        "items_unseen_rows": 2,
        "items_rare": 1,
        "items_rare_rows": 2,
        "items_common": 0.5,
        "items_common_rows": 2,
        "items_popular": 0,
        "items_popular_rows": 1,
    }


def test_a_row_is_found_where_its_item_is_among_the_best_of_its_user():
    users, ranked = np.array([1, 2], np.int32), np.array([[7, 3], [0, -1]], np.int32)
    held_out = np.array([1 * 10 + 3, 1 * 10 + 4, 1 * 10 + 9, 2 * 10 + 0])  # 1 * 10 + 9 is what -1 must not become
    assert found_rows(users, ranked, held_out, 10).tolist() == [True, False, False, True]


def test_the_figures_of_a_model_by_hand():
    train = Positives.from_pairs([0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2], 3)
    test = Positives.from_pairs([0, 1, 2, 2], [1, 3, 3, 4], 3)
    data = CFData(3, 5, train, None, test)
    scores = torch.tensor([[0.0, 9, 1, 2, 3], [0, 0, 9, 1, 8], [0, 0, 0, 9, 8]])  # best 1: items 1, 2 and 3
    embeddings = torch.eye(3), scores.T.contiguous()
    evaluation = evaluate(EmbeddingScores(*embeddings), data, "test", (1,))
    figures = measure_slices(data, evaluation, metric="recall@1", cutoff=1)
    assert figures == {
        "history_short": 1,  # user 0
        "history_short_users": 1,
        "history_middle": 0.25,  # users 1 and 2: a quarter of three is less than one
        "history_middle_users": 2,
        "history_long_users": 0,
        "items_unseen": pytest.approx(1 / 3),  # of user 2's items 3 and 4 and user 1's 3
        "items_unseen_rows": 3,
        "items_rare_rows": 0,
        "items_common": 1,  # popularities 3, 2, 1: item 1 is in the middle
        "items_common_rows": 1,
        "items_popular_rows": 0,
    }


def test_nothing_is_ranked_a_second_time_and_lists_that_are_too_short_are_refused(data, monkeypatch):
    embeddings = EmbeddingScores(torch.randn(data.users, 4), torch.randn(data.items, 4))
    evaluation = evaluate(embeddings, data, "test", (5, 10))
    monkeypatch.setattr(ranking, "top_k", None)
    assert measure_slices(data, evaluation, metric="ndcg@10", cutoff=10)
    with pytest.raises(InputError, match="no first 20"):
        measure_slices(data, evaluation, metric="ndcg@10", cutoff=20)


def test_the_slices_of_a_metric_come_from_the_lists_down_to_the_cut_off(data):
    embeddings = EmbeddingScores(torch.randn(data.users, 4), torch.randn(data.items, 4))
    long, short = (evaluate(embeddings, data, "test", cutoffs) for cutoffs in ((5, 30), (5,)))
    assert measure_slices(data, long, metric="recall@5", cutoff=5) == measure_slices(
        data, short, metric="recall@5", cutoff=5
    )
