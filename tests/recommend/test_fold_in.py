"""Fold-in: its arithmetic, and that a user folded in by the own history is near the own vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.cf import CFData, Positives, train
from hnlm_ray.config import CFConfig
from hnlm_ray.recommend.fold_in import fit_fold_in, history_means
from hnlm_ray.recommend.model_tables import ModelRows
from hnlm_ray.recommend.ranking import Catalogue


def items_of(matrix, positives):
    return ModelRows(np.arange(len(matrix)), np.asarray(matrix, np.float32), np.asarray(positives, np.int64))


def test_a_mean_is_normalised_by_the_degrees_of_both_sides_and_passes_over_cold_items():
    items = items_of([[1, 0], [0, 8], [9, 9]], [1, 4, 0])
    means = history_means(items, np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2]), 3)
    np.testing.assert_allclose(means, [[1 / np.sqrt(2), 8 / np.sqrt(2 * 4)], [0, 0], [0, 0]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 40), st.sampled_from([0.01, 0.1, 10.0]))
def test_the_map_is_the_ridge_regression_around_the_best_scaled_identity(seed, dim, users, ridge):
    draw = np.random.default_rng(seed)
    means, vectors = draw.normal(size=(2, users, dim))
    found = fit_fold_in([(means[:1], vectors[:1]), (means[1:], vectors[1:])], ridge)
    strength = ridge * (means**2).sum() / dim
    scale = (means * vectors).sum() / (means**2).sum()
    stacked = np.vstack([means, np.sqrt(strength) * np.eye(dim)])
    targets = np.vstack([vectors, np.sqrt(strength) * scale * np.eye(dim)])
    np.testing.assert_allclose(found, np.linalg.lstsq(stacked, targets, rcond=None)[0], atol=1e-6)


def test_without_any_history_there_is_nothing_to_fit():
    for parts in ([], [(np.zeros((3, 2)), np.zeros((3, 2)))]):
        with pytest.raises(ValueError, match="no history"):
            fit_fold_in(parts)


@pytest.fixture(scope="module")
def model():
    """LightGCN on two tastes: users of each like most items of their half."""
    draw = np.random.default_rng(3)
    pairs = [(u, i) for u in range(120) for i in range(60) if draw.random() < (0.4 if u % 2 == i % 2 else 0.03)]
    users, items = np.array(pairs).T
    train_rows = Positives.from_pairs(users, items, 120)
    config = CFConfig(dim=16, lr=0.02, epochs=25, batch_size=256)
    made = train(CFData(120, 60, train_rows), config, 1)
    return train_rows, made.user_embeddings.numpy(), items_of(made.item_embeddings.numpy(), train_rows.popularity(60))


def test_folding_in_a_user_s_own_history_ranks_near_the_own_list(model):
    known, vectors, items = model
    users, seen = known.pairs()
    means = history_means(items, users.astype(np.int64), seen.astype(np.int64), 120)
    fold_in = fit_fold_in([(means[:100], vectors[:100])])  # users 100 to 119 are new to the map
    folded = (means @ fold_in).astype(np.float32)
    catalogue = Catalogue(items)
    own, _ = catalogue.best(vectors, users, seen, 10)
    new, _ = catalogue.best(folded, users, seen, 10)
    shared = [len(set(a) & set(b)) for a, b in zip(own[100:], new[100:], strict=True)]
    assert np.mean(shared) > 7
    chance = 10 * 10 / (60 - known.degree[100:].mean())
    assert np.mean(shared) > 2 * chance
