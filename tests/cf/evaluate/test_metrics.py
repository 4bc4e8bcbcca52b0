import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from hnlm_ray.cf.evaluate.metrics import ranking_metrics
from hnlm_ray.config.base import MetricName
from hnlm_ray.report.words import metric_in_words

HITS = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
RELEVANT = np.array([3, 1, 2])


def test_by_hand_at_two_and_four():
    found = ranking_metrics(HITS, RELEVANT, (2, 4))
    second, fourth = 1 / math.log2(3), 1 / math.log2(5)
    expected = {
        "recall@2": [1 / 3, 1, 0],
        "recall@4": [2 / 3, 1, 0],
        "precision@2": [0.5, 0.5, 0],
        "precision@4": [0.5, 0.25, 0],
        "hit_rate@2": [1, 1, 0],
        "hit_rate@4": [1, 1, 0],
        "mrr@2": [0.5, 1, 0],
        "mrr@4": [0.5, 1, 0],
        # The ideal list of user 0 has min(k, 3) hits: two of them at k = 2, three at k = 4.
        "ndcg@2": [second / (1 + second), 1, 0],
        "ndcg@4": [(second + fourth) / (1 + second + 1 / 2), 1, 0],
        "map@2": [(1 / 2) / 2, 1, 0],
        "map@4": [(1 / 2 + 2 / 4) / 3, 1, 0],
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def by_loops(hits, relevant, k):
    """All metrics of one user's list at one cut-off, from their definitions."""
    ranks = [rank for rank, hit in enumerate(hits[:k], 1) if hit]
    best = range(1, min(relevant, k) + 1)
    return {
        f"recall@{k}": len(ranks) / relevant,
        f"precision@{k}": len(ranks) / k,
        f"hit_rate@{k}": float(bool(ranks)),
        f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
        f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in ranks) / sum(1 / math.log2(rank + 1) for rank in best),
        f"map@{k}": sum(number / rank for number, rank in enumerate(ranks, 1)) / len(best),
    }


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_all_metrics_equal_loops_over_their_definitions(share):
    rng = np.random.default_rng(0)
    hits, cutoffs = rng.random((40, 12)) < share, (12, 1, 5, 30)  # 30: the lists end before
    relevant = np.maximum(hits.sum(1) + rng.integers(0, 9, 40), 1)
    found = ranking_metrics(hits, relevant, cutoffs)
    for user in range(40):
        for k in cutoffs:
            for name, value in by_loops(hits[user].tolist(), int(relevant[user]), k).items():
                assert found[name][user] == pytest.approx(value, rel=1e-6), (user, name)


def test_no_users_have_no_values():
    found = ranking_metrics(np.zeros((0, 5), np.bool_), np.zeros(0, np.int64), (2, 5))
    assert {value.shape for value in found.values()} == {(0,)}


@pytest.mark.parametrize("name", ["ndcg", "map"])
def test_a_perfect_list_has_1_whether_or_not_k_holds_all_relevant_items(name):
    for relevant, ranks in ((5, 3), (2, 3)):
        hits = (np.arange(ranks) < relevant)[None, :]
        assert ranking_metrics(hits, np.array([relevant]), (ranks,))[f"{name}@{ranks}"][0] == pytest.approx(1)


def test_mrr_ignores_hits_below_the_cut_off():
    assert ranking_metrics(np.array([[False, False, True]]), np.array([1]), (2, 3))["mrr@2"].tolist() == [0.0]


def test_a_search_can_choose_by_every_metric_and_the_report_has_words_for_it():
    for name in ranking_metrics(HITS, RELEVANT, (4,)):
        assert TypeAdapter(MetricName).validate_python(name) == name
        assert "first 4" in metric_in_words(name)
