import math

import numpy as np
import pytest

from hnlm_ray.cf.metrics import ranking_metrics

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
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_a_perfect_list_has_ndcg_1_whether_or_not_k_holds_all_relevant_items():
    for relevant, ranks in ((5, 3), (2, 3)):
        hits = (np.arange(ranks) < relevant)[None, :]
        assert ranking_metrics(hits, np.array([relevant]), (ranks,))[f"ndcg@{ranks}"][0] == pytest.approx(1)


def test_mrr_ignores_hits_below_the_cut_off():
    assert ranking_metrics(np.array([[False, False, True]]), np.array([1]), (2, 3))["mrr@2"].tolist() == [0.0]
