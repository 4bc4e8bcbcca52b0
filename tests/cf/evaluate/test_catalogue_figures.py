import math

import numpy as np
import pytest

from hnlm_ray.cf.evaluate.evaluation import catalogue_figures, gini


def by_loops(ranked, popularity, n_users, k):
    """The figures of some lists at one cut-off, from their definitions."""
    items = range(len(popularity))
    shown = [item for row in ranked for item in row[:k] if item != -1]
    if not shown:
        return {f"{name}@{k}": 0.0 for name in ("coverage", "gini", "popularity", "popularity_share", "novelty")}
    exposure = [shown.count(item) for item in items]
    head = sorted(items, key=lambda item: (-popularity[item], item))[: math.ceil(len(popularity) / 5)]
    apart = sum(abs(a - b) for a in exposure for b in exposure)
    return {
        f"coverage@{k}": len(set(shown)) / len(popularity),
        f"gini@{k}": apart / (2 * len(popularity) * sum(exposure)),
        f"popularity@{k}": sum(int(popularity[item]) for item in shown) / len(shown),
        f"popularity_share@{k}": sum(item in head for item in shown) / len(shown),
        f"novelty@{k}": sum(-math.log2(max(popularity[item], 1) / n_users) for item in shown) / len(shown),
    }


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_loops_over_their_definitions(seed):
    rng = np.random.default_rng(seed)
    items, popularity = 23, rng.integers(0, 6, 23)
    ranked = np.stack([rng.permutation(items)[:7] for _ in range(9)]).astype(np.int32)
    ranked[rng.random(9) < 0.3, 4:] = -1
    found = catalogue_figures(ranked, popularity, 11, (7, 1, 3, 40))
    expected = {}
    for k in (7, 1, 3, 40):
        expected |= by_loops(ranked.tolist(), popularity.tolist(), 11, k)
    assert found == pytest.approx(expected)


def test_lists_alike_and_lists_that_share_nothing():
    popularity = np.array([8, 4, 2, 1, 0])
    alike = catalogue_figures(np.zeros((5, 1), np.int32), popularity, 8, (1,))
    gini_of_one = pytest.approx(0.8)
    assert alike == {
        "coverage@1": 0.2, "gini@1": gini_of_one, "popularity@1": 8, "popularity_share@1": 1, "novelty@1": 0
    }  # fmt: skip
    apart = catalogue_figures(np.arange(5, dtype=np.int32)[:, None], popularity, 8, (1,))
    # Bits: 0, 1, 2, 3, and 3 again for the item without positives.
    bits = pytest.approx(9 / 5)
    assert apart == {"coverage@1": 1, "gini@1": 0, "popularity@1": 3, "popularity_share@1": 0.2, "novelty@1": bits}


def test_of_equally_popular_items_the_lower_ones_are_the_popular_ones():
    figures = catalogue_figures(np.array([[0], [4]], np.int32), np.ones(5, np.int64), 3, (1,))
    assert figures["popularity_share@1"] == 0.5


def test_empty_lists_have_zeros():
    assert set(catalogue_figures(np.full((2, 3), -1, np.int32), np.ones(4, np.int64), 3, (2,)).values()) == {0.0}
    assert gini(np.zeros(3, np.int64)) == 0
