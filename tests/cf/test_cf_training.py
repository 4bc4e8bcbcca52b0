from dataclasses import replace

import pytest
import torch

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf import evaluate, train
from hnlm_ray.cf.evaluate.evaluation import Evaluation
from hnlm_ray.cf.training import train as training_module
from hnlm_ray.config import CFConfig

SMALL = {"dim": 8, "batch_size": 100, "lr": 0.02}


def test_the_best_epoch_is_restored(data):
    seen = []
    config = CFConfig(epochs=40, patience=3, **SMALL)
    fitted = train(data, config, 1, on_epoch=lambda report, means: seen.append((report.epoch, means["ndcg@20"])))
    best = max(value for _, value in seen)
    assert fitted.validation["ndcg@20"] == best
    assert fitted.best_epoch == next(epoch for epoch, value in seen if value == best)
    assert fitted.epochs == len(seen) == len(fitted.seconds_per_epoch)
    assert evaluate(fitted.scorer, data).means == fitted.validation
    assert torch.equal(fitted.trainer.model.embeddings()[0], fitted.user_embeddings)


def scripted_validation(monkeypatch, values):
    found = iter(values)

    def answer(self, split, cutoffs):
        assert split == "validation"
        return Evaluation(None, {}, {"ndcg@20": next(found)})

    monkeypatch.setattr(training_module.Trainer, "evaluate", answer)


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([0.1, 0.3, 0.2, 0.3, 0.9], {"patience": 2}, (4, 2, 0.3)),  # an equal value is no improvement
        ([0.1, 0.3, 0.2, 0.4, 0.3, 0.3], {"patience": 2}, (6, 4, 0.4)),
        ([0.5, 0.4, 0.3], {"patience": 1, "eval_every": 2}, (4, 2, 0.5)),
        ([0.1, 0.2, 0.3], {"patience": 5, "eval_every": 3}, (7, 7, 0.3)),  # 3, 6, and the last one
    ],
)
def test_early_stopping_counts_evaluations(data, monkeypatch, values, settings, expected):
    scripted_validation(monkeypatch, values)
    fitted = train(data, CFConfig(epochs=7, **settings, **SMALL), 1)
    assert (fitted.epochs, fitted.best_epoch, fitted.validation["ndcg@20"]) == expected


def test_without_validation_it_runs_all_its_epochs(data):
    for given, validation in ((replace(data, validation=None), "split"), (data, "none")):
        calls = []
        config = CFConfig(epochs=4, patience=1, validation=validation, **SMALL)
        fitted = train(given, config, 1, on_epoch=lambda report, means, calls=calls: calls.append(means))
        assert (fitted.epochs, fitted.best_epoch, fitted.validation) == (4, 4, {})
        assert calls == [None] * 4
    assert len(fitted.data.train) == len(data.train) + len(data.validation)


def test_no_epoch_gives_the_start(data):
    fitted = train(data, CFConfig(epochs=0, **SMALL), 1)
    assert (fitted.epochs, fitted.best_epoch) == (0, 0)
    assert fitted.validation["ndcg@20"] > 0


def test_a_metric_that_is_not_measured_is_refused(data):
    with pytest.raises(InputError, match="'ndcg@50'"):
        train(data, CFConfig(epochs=1, **SMALL), 1, metric="ndcg@50")


def test_test_positives_change_nothing(data):
    config = CFConfig(epochs=3, sampler="dns", **SMALL)
    with_test, without = train(data, config, 1), train(replace(data, test=None), config, 1)
    assert torch.equal(with_test.user_embeddings, without.user_embeddings)


def test_validation_positives_choose_the_epoch_and_shape_nothing_else(data):
    config = CFConfig(epochs=3, patience=10, sampler="pns", **SMALL)
    tables = []
    for given in (data, replace(data, validation=data.test, test=None)):
        trainer = training_module.Trainer(given, config, 1)
        trainer.run_epoch()
        tables.append(trainer.model.table)
    assert torch.equal(*tables)
