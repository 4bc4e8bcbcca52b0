import copy
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import Trainer, train
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.01, "candidates": 3, "epochs": 3, "adapter_hidden": (16,)}
VECTORS = {"sampler": "vectors", **SMALL}


def parameters(trainer):
    return [parameter.detach().clone() for parameter in trainer.adapted.adapter.parameters()]


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("training", ["joint", "alignment", "adversarial"])
def test_every_parameter_of_the_adapter_is_trained(vectored, training, attention):
    weights = {"alignment": 0.0 if training == "joint" else 0.1, "alpha": 0.5}
    config = CFConfig(adapter_training=training, adapter_attention=attention, **weights, **VECTORS)
    trainer = Trainer(vectored, config, 1)
    before = parameters(trainer)
    assert trainer.adapted.shift == 0
    trainer.run_epoch()
    for old, new in zip(before, parameters(trainer), strict=True):
        assert not torch.equal(old, new)
    moved = torch.cat([(new - old).view(-1) for old, new in zip(before, parameters(trainer), strict=True)])
    start = torch.cat([old.view(-1) for old in before])
    assert trainer.adapted.shift == pytest.approx(float(moved.norm() / start.norm()), rel=1e-5)
    assert trainer.adapted.shift > 0.01


def test_a_frozen_adapter_never_moves(vectored):
    fitted = train(vectored, CFConfig(adapter_training="frozen", alignment=0.5, alpha=0.5, **VECTORS), 1)
    assert fitted.adapter_shift == 0.0
    trainer = Trainer(vectored, CFConfig(adapter_training="frozen", **VECTORS), 1)
    assert not any(parameter.requires_grad for parameter in trainer.adapted.adapter.parameters())
    assert [len(group["params"]) for group in trainer.steps.optimiser.param_groups] == [1]
    joint = train(vectored, CFConfig(alpha=0.5, **VECTORS), 1)
    assert joint.adapter_shift > 0.01
    assert not torch.equal(fitted.user_embeddings, joint.user_embeddings)


def test_alignment_brings_anchors_to_their_items(make_planted, make_vectored):
    data = make_vectored(make_planted(), k=40, anchored=1.0)
    settings = {**VECTORS, "adapter_hidden": (64,), "lr": 0.02}
    config = CFConfig(model="mf", adapter_training="alignment", alignment=1.0, **settings)
    trainer = Trainer(data, config, 1)

    def mean_cosine():
        adapted = trainer.adapted.adapter(torch.from_numpy(data.vectors.anchors))
        return torch.cosine_similarity(adapted, trainer.model.table[data.users :]).mean().item()

    before = mean_cosine()
    for _ in range(15):
        trainer.run_epoch()
    assert before < 0.3
    assert mean_cosine() > 0.9


def test_adversarial_training_makes_harder_negatives_than_joint(vectored):
    """The reversed gradient raises the score of the adapted negative, which the ranking loss lowers."""
    scores = {}
    for training in ("joint", "adversarial"):
        config = CFConfig(adapter_training=training, alignment=0.01, alpha=0.9, **VECTORS)
        trainer = Trainer(vectored, config, 1)
        for _ in range(5):
            trainer.run_epoch()
        covered = vectored.vectors.covered
        users = torch.from_numpy(vectored.train.pairs()[0][covered].astype(np.int64))
        rows = torch.from_numpy(vectored.vectors.row[covered].astype(np.int64))
        hard = trainer.adapted.adapter(torch.from_numpy(vectored.vectors.vectors)[rows])
        scores[training] = (trainer.model()[users] * hard).sum(1).mean().item()
    assert scores["adversarial"] > scores["joint"] + 0.1


@pytest.mark.parametrize("base", ["rns", "pns", "dns"])
def test_alpha_0_is_its_base_sampler_bit_for_bit(vectored, base):
    mixed = Trainer(vectored, CFConfig(alpha=0.0, contrastive=0.0, base_sampler=base, **VECTORS), 5)
    alone = Trainer(vectored, CFConfig(**{**VECTORS, "sampler": base}, gradients="autograd"), 5)
    for _ in range(3):
        assert mixed.run_epoch().loss == alone.run_epoch().loss
    assert torch.equal(mixed.model.table, alone.model.table)
    assert alone.adapted is None


@pytest.mark.parametrize("training", ["joint", "adversarial"])
def test_resuming_is_equal_bit_for_bit(vectored, training):
    config = CFConfig(adapter_training=training, alignment=0.1, base_sampler="dns", adapter_attention=True, **VECTORS)
    straight = Trainer(vectored, config, 11)
    losses = [straight.run_epoch().loss for _ in range(4)]
    first = Trainer(vectored, config, 11)
    first.run_epoch()
    first.run_epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = Trainer(vectored, config, 999)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.run_epoch().loss for _ in range(2)] == losses[2:]
    assert torch.equal(resumed.model.table, straight.model.table)
    for ours, theirs in zip(parameters(resumed), parameters(straight), strict=True):
        assert torch.equal(ours, theirs)
    assert resumed.adapted.shift == straight.adapted.shift


def test_the_best_epoch_restores_the_adapter_as_well(vectored, monkeypatch):
    """Validation is best after the first epoch: the shift of the training is that of epoch 1."""
    values, shifts = iter([0.5, 0.1, 0.1]), []
    monkeypatch.setattr(Trainer, "evaluate", _scripted(values, shifts))
    fitted = train(vectored, CFConfig(alpha=0.5, **VECTORS), 1)
    assert fitted.best_epoch == 1
    assert shifts == sorted(set(shifts))
    assert fitted.adapter_shift == shifts[0]


def _scripted(values, shifts):
    def evaluate(self, split, cutoffs):
        shifts.append(copy.copy(self.adapted.shift))
        return type("Found", (), {"means": {"ndcg@20": next(values)}})

    return evaluate


def test_a_training_reports_coverage_and_what_it_left_out(vectored, data):
    fitted = train(vectored, CFConfig(**{**VECTORS, "epochs": 1}), 1)
    assert fitted.vector_coverage == vectored.vectors.coverage
    assert 0.5 < fitted.vector_coverage < 0.9
    assert fitted.skipped_pairs == 0
    plain = train(data, CFConfig(**{**SMALL, "epochs": 1}), 1)
    assert (plain.vector_coverage, plain.adapter_shift) == (None, None)


def test_validation_none_keeps_the_vectors_of_the_old_pairs(vectored):
    fitted = train(vectored, CFConfig(validation="none", **{**VECTORS, "epochs": 1}), 1)
    expected = len(vectored.vectors.covered) / (len(vectored.train) + len(vectored.validation))
    assert fitted.vector_coverage == pytest.approx(expected)


def test_settings_that_need_what_is_absent_are_refused(data, vectored):
    bare = replace(vectored, vectors=replace(vectored.vectors, anchors=None, anchored=None))
    for given, settings, message in (
        (data, {}, "'vectors' needs a vector"),
        (vectored, {"adapter_training": "alignment"}, "'alignment' trains the adapter by cf.alignment, which is 0"),
        (vectored, {"adapter_training": "adversarial"}, "'adversarial' trains"),
        (bare, {"adapter_training": "alignment", "alignment": 0.1}, "needs the items' anchors"),
        (bare, {"alignment": 0.1}, "needs the items' anchors"),
    ):
        with pytest.raises(InputError, match=message):
            Trainer(given, CFConfig(**settings, **VECTORS), 1)


def test_the_existing_samplers_draw_from_the_streams_they_always_had(data):
    """The adapter's stream is spawned after the others: the first four are those of a spawn of four."""
    trainer = Trainer(data, CFConfig(**SMALL, init="normal"), 7)
    four = [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in np.random.SeedSequence(7).spawn(4)]
    start = torch.randn(data.users + data.items, 8, generator=torch.Generator().manual_seed(four[0])) * 0.1
    assert torch.equal(trainer.model.table, start)
    for name, seed in zip(("shuffle", "sampling", "pool"), four[1:], strict=True):
        assert trainer._generators[name].initial_seed() == seed
