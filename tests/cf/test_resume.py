"""A training that is saved between epochs goes on bit for bit, whatever it is made of."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.cf import CFData, EmbeddingScores, Positives, Trainer
from hnlm_ray.config import CFConfig

SMALL = {
    "dim": 4,
    "batch_size": 40,
    "lr": 0.02,
    "candidates": 3,
    "epochs": 3,
    "dns": {"top": 2},
    "srns": {"memory": 3, "fresh": 4, "warm_up": 1, "epochs": 2},
    "softmax": {"negatives": 4},
    "adapter_hidden": (5,),
    "contrastive": 0.1,
}
PAIRWISE = ("rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch", "pool", "vectors")
SOFT = ("rns", "pns", "in_batch")
LOSSES = [
    *itertools.product(("bpr", "hinge"), PAIRWISE),
    *itertools.product(("sampled_softmax",), SOFT),
    ("softmax", "rns"),
    ("sfcml", "rns"),
]


@pytest.fixture
def everything(make_planted, make_pooled, make_vectored, make_texted):
    """Small data that every sampler and setting finds what it needs in."""
    data = make_planted(users=24, items=30, per_user=9)
    vectored = make_vectored(make_texted(data), k=6)
    return replace(vectored, pool=make_pooled(data).pool)


def saved(trainer):
    """The state as a file gives it back."""
    file = io.BytesIO()
    torch.save(trainer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def goes_on(data, config, epochs=(1, 2)):
    """Compare a straight run with one that is saved, loaded into a trainer of another seed, and goes on."""
    straight, first, resumed = Trainer(data, config, 3), Trainer(data, config, 3), Trainer(data, config, 99)
    losses = [straight.run_epoch().loss for _ in range(sum(epochs))]
    assert [first.run_epoch().loss for _ in range(epochs[0])] == losses[: epochs[0]]
    resumed.load_state_dict(saved(first))
    assert [resumed.run_epoch().loss for _ in range(epochs[1])] == losses[epochs[0] :]
    assert equal(saved(resumed), saved(straight))
    assert len(set(losses)) == len(losses)
    return straight


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize(("loss", "sampler"), LOSSES)
def test_every_sampler_and_loss(everything, model, loss, sampler):
    goes_on(everything, CFConfig(model=model, loss=loss, sampler=sampler, **SMALL), (1, 1))


@pytest.mark.parametrize("sampler", ["rns", "dns", "srns", "mixgcf"])
@pytest.mark.parametrize("gradients", ["closed", "autograd"])
def test_written_out_gradients_and_autograd(everything, sampler, gradients):
    goes_on(everything, CFConfig(gradients=gradients, sampler=sampler, **SMALL))


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
@pytest.mark.parametrize(("schedule", "warm_up"), [("linear", 0), ("cosine", 1), ("constant", 2)])
def test_optimisers_and_schedules(everything, model, optimiser, schedule, warm_up):
    config = CFConfig(model=model, optimiser=optimiser, schedule=schedule, warm_up=warm_up, **SMALL)
    goes_on(everything, config)


def test_a_schedule_goes_on_where_it_was(everything):
    config = CFConfig(model="mf", gradients="autograd", schedule="linear", **SMALL)
    straight = goes_on(everything, config)
    assert straight.steps.optimiser.param_groups[0]["lr"] == pytest.approx(0.02 / 3)


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "bfloat16"},
        {"precision": "bfloat16", "sampler": "srns"},
        {"graph": 0.3},
        {"model": "mf", "bias": True},
        {"sampler": "dns", "guard": 0.5},
        {"sampler": "dns_mn", "dns": {"top": 2, "rule": "one"}},
        {"sampler": "dns", "pool_share": 0.5},
        {"sampler": "ahns", "pool_share": 0.3, "guard": 0.5},
        {"sampler": "dns_mn", "dns": {"top": 2, "rule": "one"}, "pool_share": 1.0, "guard": 0.5},
        {"sampler": "mixgcf", "pool_share": 0.5, "guard": 0.5},
        {"sampler": "dins", "guard": 0.5},
        {"sampler": "pool", "base_sampler": "dns", "pool_share": 0.5},
        {"sampler": "pool", "base_sampler": "dns", "guard": 0.5},
        {"sampler": "vectors", "base_sampler": "pns", "adapter_training": "adversarial", "alignment": 0.1},
        {"sampler": "vectors", "adapter_attention": True},
        {"validation": "none"},
        {"reg": 0.0},
    ],
)
def test_other_settings(everything, values):
    goes_on(everything, CFConfig(**{**SMALL, **values}))


def test_a_teacher_that_is_distilled(everything):
    rows = [torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) for n in (everything.users, everything.items)]
    taught = replace(everything, teacher=EmbeddingScores(*rows))
    goes_on(taught, CFConfig(loss="softmax", **{**SMALL, "softmax": {"distill": 0.5}}))


@pytest.mark.parametrize("sampler", ["rns", "pns"])
def test_deferred_steps_of_a_wide_table(make_planted, sampler):
    """More rows than 48 a pair of a batch: Adam moves only what a step touches, and is flushed between epochs."""
    data = make_planted(users=200, items=50, per_user=8)
    config = CFConfig(model="mf", sampler=sampler, **{**SMALL, "batch_size": 5})
    straight = goes_on(data, config)
    assert type(straight.steps).__name__ == "RowwiseSteps"


def test_more_pairs_than_are_drawn_ahead_at_once(everything, monkeypatch):
    monkeypatch.setattr("hnlm_ray.cf.data.batches.PAIRS_OF_BLOCK", 90)
    goes_on(everything, CFConfig(model="mf", **SMALL))


def test_users_who_know_everything_or_all_but_one_item():
    pairs = [(0, i) for i in range(6)] + [(1, i) for i in range(5)] + [(2, 0), (2, 3), (4, 1)]
    data = CFData(5, 6, Positives.from_pairs(*np.array(pairs).T, 5))
    for sampler in ("rns", "dns", "srns", "in_batch"):
        goes_on(data, CFConfig(model="mf", sampler=sampler, **{**SMALL, "batch_size": 3}))


def test_saving_changes_nothing(everything):
    config = CFConfig(sampler="srns", **SMALL)
    saving, quiet = Trainer(everything, config, 3), Trainer(everything, config, 3)
    for _ in range(3):
        saved(saving)
        assert saving.run_epoch().loss == quiet.run_epoch().loss


@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
@pytest.mark.parametrize(("model", "sampler"), [("mf", "srns"), ("ngcf", "rns"), ("lightgcn", "vectors")])
def test_trainings_that_go_on_from_one_state_in_memory_leave_each_other_alone(everything, model, sampler, optimiser):
    config = CFConfig(model=model, sampler=sampler, optimiser=optimiser, **SMALL)
    trainer, *others = (Trainer(everything, config, seed) for seed in range(3))
    trainer.run_epoch()
    for other in others:
        other.load_state_dict(trainer.state_dict())
    found = []
    for going in (trainer, *others):
        going.run_epoch()
        found.append(going.run_epoch().loss)
    assert found[0] == found[1] == found[2]
