import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import ease_weights
from hnlm_ray.cf.guard import regression
from hnlm_ray.cf.guard.features import GROUPS, PairFeatures, standardised
from hnlm_ray.cf.guard.regression import fit_regression
from hnlm_ray.cf.kernels import gram as ease
from hnlm_ray.cf.kernels.neighbours import centred, nearest_items
from hnlm_ray.cf.kernels.spectral import spectral_scores


def matrix(data):
    dense = np.zeros((data.users, data.items))
    dense[data.train.pairs()] = 1
    return dense


def literal_ease(x, reg):
    inverse = np.linalg.inv(x.T @ x + reg * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("reg", [0.5, 200.0])
def test_ease_is_its_closed_form(data, reg):
    weights = ease_weights(PairFeatures(data.train, data, ("cf",)).positives, reg)
    np.testing.assert_allclose(weights, literal_ease(matrix(data), reg), atol=1e-6)
    assert weights.dtype == np.float32


def test_ease_solves_its_constrained_problem(data):
    """Column j of B minimises |X b - x_j|^2 + reg |b|^2 with b_j = 0: ridge on the other items."""
    x, reg = matrix(data), 3.0
    weights = ease_weights(PairFeatures(data.train, data, ("cf",)).positives, reg)
    for j in (0, 17):
        others = np.delete(np.arange(data.items), j)
        ridge = np.linalg.solve(x[:, others].T @ x[:, others] + reg * np.eye(len(others)), x[:, others].T @ x[:, j])
        np.testing.assert_allclose(weights[others, j], ridge, atol=1e-6)


def test_ease_refuses_large_catalogues(data, monkeypatch):
    monkeypatch.setattr(ease, "MOST_ITEMS", data.items - 1)
    with pytest.raises(InputError, match="80 x 80 items"):
        ease_weights(PairFeatures(data.train, data, ("popularity",)).positives, 3.0)


def test_a_large_catalogue_has_the_scores_of_singular_vectors(data, monkeypatch):
    monkeypatch.setattr("hnlm_ray.cf.guard.features.MOST_ITEMS", data.items - 1)
    features = PairFeatures(data.train, data, ("cf",))
    free = features.unobserved(slice(0, 9))
    expected = spectral_scores(features.positives).scores(torch.arange(9)).numpy()
    np.testing.assert_allclose(features.rows(slice(0, 9))[:, :, 0], standardised(expected, free), atol=1e-5)


def test_features_written_out(texted):
    """A literal loop over users and items, in float64."""
    data, x = texted, matrix(texted)
    features = PairFeatures(data.train, data, GROUPS["full"])
    got = features.rows(slice(5, 15))
    assert (got.shape, got.dtype) == ((10, 80, 6), np.float32)
    assert features.names == (
        *("cf.score", "cf.squared", "popularity.log"),
        *("text.taste", "text.votes", "text.cold"),
    )
    scores = x @ literal_ease(x, 200.0)
    text = data.item_text.astype(float) - data.item_text.astype(float).mean(0)

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    cosines = np.array([[cosine(a, b) for b in text] for a in text])
    np.fill_diagonal(cosines, -np.inf)
    near = [set(np.argsort(-row)[:50].tolist()) for row in cosines]
    for row, user in enumerate(range(5, 15)):
        free, liked = x[user] == 0, np.flatnonzero(x[user])
        profile = text[liked].mean(0)
        for item in np.flatnonzero(free):
            z = (scores[user, item] - scores[user, free].mean()) / scores[user, free].std()
            votes = sum(cosines[known, item] for known in liked if item in near[known])
            popularity, taste = x[:, item].sum(), cosine(profile, text[item])
            expected = [z, z**2, np.log1p(popularity), taste, votes, taste / (1 + popularity / 5)]
            np.testing.assert_allclose(got[row, item], expected, atol=2e-4)


@pytest.mark.parametrize(("features", "columns"), [("cf", [0, 1, 2]), ("text", [3, 4, 5])])
def test_a_part_of_the_features_is_a_part_of_the_columns(texted, features, columns):
    full, part = (PairFeatures(texted.train, texted, GROUPS[name]).rows(slice(0, 60)) for name in ("full", features))
    assert np.array_equal(part, full[:, :, columns])


def test_standardised_by_hand():
    rows = np.float32([[1, 3, 9], [4, 4, 4], [5, 6, 7]])
    among = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], bool)
    assert standardised(rows, among).tolist() == [[-1, 1, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_the_regression_minimises_its_objective(scale):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((400, 3)) * [1, 5, 0.1] + [0, 7, 2]).astype(np.float32)
    y = (x[:, 0] * 2 - x[:, 2] * 10 + 20) * scale + rng.logistic(size=400) > 0
    fitted = fit_regression(x, y)
    deep = x.astype(float)
    spread = deep.std(0)
    unit = (deep - deep.mean(0)) / np.where(spread, spread, 1)  # a feature may be the same everywhere

    def objective(w):
        logit = unit @ w[:3] + w[3]
        return sum(np.log1p(np.exp(-abs(z))) + max(-z if a else z, 0) for z, a in zip(logit, y, strict=True)) + (
            w[:3] @ w[:3] / 2
        )

    best = minimize(objective, np.zeros(4), method="Powell", options={"xtol": 1e-8, "ftol": 1e-12, "maxiter": 10_000})
    np.testing.assert_allclose(fitted.logits(x), unit @ best.x[:3] + best.x[3], atol=5e-3)


@pytest.mark.parametrize("seed", range(12))
def test_the_slope_at_the_fitted_regression_is_none(seed):
    """The objective is strictly convex in the weights: where its slope is 0 is the one minimum."""
    rng = np.random.default_rng(seed)
    n, features = int(rng.choice([42, 400, 3000])), 2 + seed % 5
    x = rng.standard_normal((n, features)) * 10 ** rng.uniform(-2, 3, features) + 10 ** rng.uniform(-1, 2, features)
    x[:, 1] = [x[:, 1], 2 * x[:, 0] + 1, np.round(x[:, 1])][seed % 3]
    x = x.astype(np.float32)
    y = np.arange(n) % 21 == 0 if seed % 2 else x[:, 0] > np.median(x[:, 0])
    fitted = fit_regression(x, y)
    deep = x.astype(float)
    spread = deep.std(0)
    unit = (deep - deep.mean(0)) / np.where(spread, spread, 1)  # a feature may be the same everywhere
    off = 1 / (1 + np.exp(-(deep @ fitted.weights + fitted.intercept))) - y
    assert np.abs(unit.T @ off + fitted.weights * spread).max() < 1e-6 * n
    assert abs(off.sum()) < 1e-6 * n


def test_a_constant_feature_and_separated_classes_are_fine():
    x = np.column_stack([np.ones(40), np.arange(40) - 20]).astype(np.float32)
    logits = fit_regression(x, x[:, 1] > 0).logits(x)
    assert np.isfinite(logits).all()
    assert ((logits > 0) == (x[:, 1] > 0)).mean() > 0.9


def test_a_regression_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(regression, "MOST_ITERATIONS", 1)
    x = np.arange(40, dtype=np.float32)[:, None]
    with pytest.raises(InputError, match="did not converge"):
        fit_regression(x, x[:, 0] > 12)


def test_neighbours_are_the_highest_cosines_of_centred_vectors(texted):
    text = texted.item_text.astype(float) - texted.item_text.astype(float).mean(0)
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    near = nearest_items(texted.item_text, 7)
    for item, row in enumerate(cosines):
        found = near[item].toarray()[0]
        expected = np.argsort(-row)[:7]
        assert set(np.flatnonzero(found)) == set(expected)
        np.testing.assert_allclose(found[expected], row[expected], atol=1e-5)


def test_a_small_catalogue_and_items_without_text():
    text = np.float32([[1, 0], [0, 1], [0, 0]])
    assert centred(text).tolist() == [[0.5, -0.5], [-0.5, 0.5], [0, 0]]
    assert nearest_items(text, 50).nnz == 6
    assert nearest_items(text, 50).toarray()[2].tolist() == [0, 0, 0]
    assert nearest_items(text[:1], 50).nnz == 0
    assert not centred(np.zeros((2, 3), np.float32)).any()
