import numpy as np
import pytest
import torch

from hnlm_ray.finetune.baselines import fit_ridge, start_head, unit
from hnlm_ray.finetune.model import Head


@pytest.fixture
def linear():
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(200, 12)) * 5 + 3).astype(np.float32)
    weights = draw.normal(size=(12, 4)).astype(np.float32)
    return features, (features @ weights + 1).astype(np.float32)


def test_ridge_finds_a_linear_rule_and_a_head_that_starts_from_it_predicts_the_same(linear):
    features, targets = linear
    fitted = fit_ridge(features[:150], targets[:150])
    found = fitted.predict(features[150:])
    assert np.abs(found - targets[150:]).max() < 0.25 * targets.std()
    head = Head(12, 4)
    start_head(head, fitted, "ridge")
    given = head(torch.from_numpy(features[150:])).detach().numpy()
    assert np.allclose(given, found, atol=1e-3 * float(np.abs(found).max()))


def test_a_random_start_is_centred_alone(linear):
    fitted = fit_ridge(*linear)
    head = Head(12, 4)
    before = head.linear.weight.clone()
    start_head(head, fitted, "random")
    assert torch.equal(head.linear.weight, before)
    assert np.allclose(head.statistics.view(torch.float32)[0], fitted.centre)


def test_the_penalty_rises_with_noise():
    """More features than records: without a penalty the fit would be exact on the records, and useless beside."""
    draw = np.random.default_rng(1)
    features = draw.normal(size=(60, 100)).astype(np.float32)
    noise = draw.normal(size=(60, 3)).astype(np.float32)
    fitted = fit_ridge(features, noise)
    asked = draw.normal(size=(50, 100)).astype(np.float32)
    assert np.abs(fitted.predict(asked) - noise.mean(0)).mean() < 0.3 * np.abs(noise).mean()


def test_unit_leaves_rows_of_zeros_as_they_are():
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    assert np.allclose(rows, [[0.6, 0.8], [0, 0]])
