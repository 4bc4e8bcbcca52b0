"""A training that diverges stops, and says at which epoch, with which learning rate, and what to do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import MODELS, DivergedError, EmbeddingScores, Trainer, train
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "candidates": 3, "epochs": 4}
LOSSES = {
    "bpr": {},
    "hinge": {},
    "softmax": {},
    "sampled_softmax": {"softmax": {"negatives": 16}},
    "sfcml": {},
}
SAMPLERS = ("rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns")


@pytest.fixture
def whole(texted):
    """Everything that a model may read."""
    users = np.arange(20)
    return replace(texted, triples=np.stack([users, users, users + 1], axis=1))


def refused(data, **settings):
    config = CFConfig(**{**SMALL, **settings})
    with pytest.raises(DivergedError, match=r"epoch \d+ .*cf\.lr 1e\+.*lower cf\.lr") as error:
        train(data, config, 0)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_every_model_stops_with_epoch_rate_and_remedy(whole, model, lr):
    refused(whole, model=model, lr=lr)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_every_loss_stops_with_epoch_rate_and_remedy(data, loss, lr):
    refused(data, model="mf", loss=loss, lr=lr, **LOSSES[loss])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_every_sampler_stops_with_epoch_rate_and_remedy(data, sampler, lr):
    refused(data, model="mf", sampler=sampler, lr=lr)


@pytest.mark.parametrize("settings", [{"optimiser": "adagrad"}, {"gradients": "autograd"}, {"batch_size": 1}])
def test_every_way_to_step_stops(data, settings):
    refused(data, model="mf", lr=1e6, **settings)


def test_a_loss_that_stays_finite_and_grows_a_thousandfold_has_diverged(data):
    told = refused(data, model="mf", lr=1e6)
    assert "after 0.69" in told
    assert "epoch 1 " in told


def test_the_rate_told_is_that_of_the_epoch(data):
    config = CFConfig(model="mf", lr=1e6, schedule="linear", warm_up=1, **SMALL)
    with pytest.raises(DivergedError, match=r"epoch 1 .*cf\.lr 500000 "):
        train(data, config, 0)


def test_embeddings_that_are_not_finite_stop_the_evaluation_although_the_loss_was(data):
    trainer = Trainer(data, CFConfig(model="mf", **SMALL), 0)
    trainer.run_epoch()
    with torch.no_grad():
        trainer.model.table[3] = torch.nan
    with pytest.raises(DivergedError, match=r"after epoch 1 with cf\.lr 0\.001 .*not finite.*lower cf\.lr"):
        trainer.evaluate("test")


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_embeddings_whose_products_overflow_stop_the_evaluation(data, loss):
    """At unit length they would look harmless."""
    trainer = Trainer(data, CFConfig(model="mf", loss=loss, **SMALL), 0)
    trainer.run_epoch()
    with torch.no_grad():
        trainer.model.table.mul_(1e25)
    with pytest.raises(DivergedError, match=r"after epoch 1 with cf\.lr 0\.001 .*scores are not finite.*lower cf\.lr"):
        trainer.evaluate()


def test_large_embeddings_whose_products_fit_are_ranked():
    scores = EmbeddingScores(torch.full((2, 3), 1e18), torch.full((4, 3), 1e18))
    scores.check()
    assert torch.isfinite(scores.scores(torch.tensor([0, 1]))).all()
    with pytest.raises(DivergedError):
        EmbeddingScores(torch.full((2, 3), 1e19), torch.full((4, 3), 1e20)).check()


def test_a_resumed_training_remembers_what_its_loss_began_at(data):
    first = Trainer(data, CFConfig(model="mf", **SMALL), 0)
    first.run_epoch()
    resumed = Trainer(data, CFConfig(model="mf", **SMALL), 0)
    resumed.load_state_dict(first.state_dict())
    assert resumed.divergence.first == pytest.approx(0.69, abs=0.02)


def test_a_large_start_is_no_divergence(data):
    """Heavy regularisation makes every loss large from the start."""
    losses = [Trainer(data, CFConfig(model="mf", reg=1e6, lr=0.01, **SMALL), 0).run_epoch().loss]
    assert losses[0] > 1000
