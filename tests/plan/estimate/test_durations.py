"""Seconds of stages from paces that are given."""

from types import SimpleNamespace

import pytest
from small_run import small_config

from hnlm_ray.plan.estimate.durations import RESAMPLED_S, TRAINING_S, TUNE_START_S, Durations
from hnlm_ray.plan.measure.training_time import Pace, TrainingTimes, kinds

USERS, TRAIN, EPOCHS = 1000, 80_000, 10


def durations(folder, *methods):
    config = small_config(folder, folder / "ws", tune__methods=list(methods), tune__seeds=2, tune__concurrent=1)
    paces = {kind: Pace(1.0, 2.0) for kind in kinds(config)}
    works = SimpleNamespace(trainings=TrainingTimes(paces, None, EPOCHS))
    return Durations(config, SimpleNamespace(users=USERS, train=TRAIN), works, None, 0.0)


def test_results_take_one_training_more_and_the_redrawing(tmp_path):
    training = 1.0 + EPOCHS * 2.0
    seconds = durations(tmp_path, "rns", "dns").results(4)
    refits = TUNE_START_S + 4 * (TRAINING_S + training)
    samplers = 6 + 2  # the curve of DNS, and each method's own
    quarter = 20_000 / TRAIN * 2.0  # of an epoch, for each of them
    assert seconds == pytest.approx(refits + training + samplers * quarter + USERS * RESAMPLED_S)
    guarded = durations(tmp_path, "rns", "guard", "guard_no_text")
    more = 6 + 3 + 12 + 1  # a grid of twelve, and the control with its method's settings
    refits = TUNE_START_S + 6 * (TRAINING_S + training)
    assert guarded.results(6) == pytest.approx(refits + training + more * quarter + USERS * RESAMPLED_S)


def test_without_a_model_to_draw_on_there_are_refits_alone(tmp_path):
    seconds = durations(tmp_path, "softmax").results(2)
    assert seconds == pytest.approx(TUNE_START_S + 2 * (TRAINING_S + 21.0))
