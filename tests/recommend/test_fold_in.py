"""Fold-in: its arithmetic, and that a user folded in by the own history is near the own vector."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.cf import CFData, Positives, train
from hnlm_ray.config import CFConfig
from hnlm_ray.recommend.model_tables import ModelRows, model_table
from hnlm_ray.recommend.ranking import Catalogue
from hnlm_ray.recommend.recommender import Recommender, fit_fold_in, history_means
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES


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


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_histories_summed_in_blocks_are_the_sums_pair_by_pair(seed, block):
    draw = np.random.default_rng(seed)
    items = items_of(draw.normal(size=(7, 3)), draw.integers(0, 5, 7))
    rows, seen = np.nonzero(draw.random((5, 7)) < 0.5)
    expected = np.zeros((5, 3))
    for row, item in zip(rows, seen, strict=True):
        size = sum(not items.cold[other] for other in seen[rows == row])
        if not items.cold[item]:
            expected[row] += items.matrix[item] / np.sqrt(size * items.positives[item])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hnlm_ray.recommend.recommender._PAIRS", block)
        np.testing.assert_allclose(history_means(items, rows, seen, 5), expected, atol=1e-6)


def test_fold_in_is_fitted_on_no_more_users_than_it_says(tmp_path, monkeypatch):
    workspace = Workspace.open(str(tmp_path))
    draw = np.random.default_rng(1)
    items = ModelRows(np.arange(4), draw.normal(size=(4, 2)).astype(np.float32), np.full(4, 3))
    users = [
        ModelRows(np.arange(start, 8, 2), draw.normal(size=(4, 2)).astype(np.float32), np.ones(4)) for start in (0, 1)
    ]
    publish(workspace, "model_items", [model_table("model_items", items)], counts={"train_on": "all"})
    publish(workspace, "model_users", [model_table("model_users", part) for part in users])
    liked = [{"user": user, "item": user % 4, "rating": 1.0, "timestamp": 0, "split": "train"} for user in range(8)]
    buckets = [pa.Table.from_pylist(liked[start::2], schema=TABLES["interactions"]) for start in (0, 1)]
    publish(workspace, "interactions", buckets)
    for most, sizes in ((3, [3]), (4, [4]), (6, [4, 2]), (9, [4, 4])):
        monkeypatch.setattr("hnlm_ray.recommend.recommender.FITTED_USERS", most)
        parts = list(Recommender(workspace)._histories())
        assert [len(vectors) for _, vectors in parts] == sizes
        for (means, vectors), part in zip(parts, users, strict=False):
            np.testing.assert_array_equal(vectors, part.matrix[: len(vectors)])
            expected = items.matrix[part.index[: len(vectors)] % 4] / np.sqrt(3)
            np.testing.assert_allclose(means, expected, rtol=1e-6)


def publish(workspace, name, parts, **manifest):
    store = workspace.table(name)
    for number, part in enumerate(parts):
        store.write_part("a" * 64, f"part-{number:05}", part)
    files = store.parts("a" * 64)
    store.publish(Manifest(table=name, stage=name, fingerprint="a" * 64, files=files, **manifest))
