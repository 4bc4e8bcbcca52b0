"""Trials are ended by comparison within their method alone, and by the CPU seconds of their method."""

import json

import pytest

from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.tune.job import Ending, Job
from hnlm_ray.tune.run.stopping import MethodStopping, open_rule

EPOCHS = 27


class Budget:
    def __init__(self, seconds=1e9):
        self.seconds = seconds

    def spend(self, job, cpu_seconds):
        return cpu_seconds < self.seconds


class Trial:
    def __init__(self, method, number):
        key = {"method": method, "trial": number}
        self.job = Job(key, CFConfig(model="mf", epochs=EPOCHS), "nothing", 1, reads_test=False)
        self.trial_id, self.config = f"{method}{number}", {"job": self.job.to_json()}


def stopping_with(kind, budget=None):
    settings = TuneConfig(stopping=kind, grace_epochs=3)
    ended = {}
    made = MethodStopping(lambda: open_rule(settings, EPOCHS), budget or Budget(), kind)
    made.pruned = lambda job, row: ended.update({job.part: row})
    return made, ended


def report(value, epoch):
    row = json.dumps({"status": "ok", "epochs": epoch})
    return {"value": value, "epoch": epoch, "cpu_seconds": epoch / 10, "row": row}


def run(stopping, trial, curve):
    """Run a trial as Tune does; returns the epoch after which it was ended, or none."""
    stopping.on_trial_add(None, trial)
    for epoch, value in enumerate(curve, 1):
        if epoch == EPOCHS:
            break
        if stopping.on_trial_result(None, trial, report(value, epoch)) == "STOP":
            stopping.on_trial_complete(None, trial, report(value, epoch))
            return epoch
    last = {"value": max(curve), "epoch": len(curve), "cpu_seconds": 1.0, "status": "ok"}
    assert stopping.on_trial_result(None, trial, last) == "CONTINUE"
    stopping.on_trial_complete(None, trial, last)
    return None


def level(value):
    return [value + epoch / 1e4 for epoch in range(EPOCHS)]


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_the_worst_of_a_method_is_ended_after_its_grace_and_the_best_goes_to_its_end(kind):
    stopping, ended = stopping_with(kind)
    assert [run(stopping, Trial("a", number), level(0.5)) for number in range(4)] == [None] * 4
    assert run(stopping, Trial("a", 4), level(0.1)) == 3
    assert run(stopping, Trial("a", 5), level(0.9)) is None
    assert ended == {"a-4": {"status": "pruned", "epochs": 3, "error": f"ended by {kind} after epoch 3"}}


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_a_weak_method_is_not_measured_against_a_strong_one(kind):
    stopping, ended = stopping_with(kind)
    for number in range(5):
        assert run(stopping, Trial("strong", number), level(0.9)) is None
        assert run(stopping, Trial("weak", number), level(0.1)) is None
    assert ended == {}


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_decisions_after_a_replay_are_those_of_a_run_that_was_left_alone(kind):
    values = [0.5, 0.2, 0.7, 0.3, 0.6, 0.1, 0.8, 0.25, 0.65, 0.4]
    undisturbed, _ = stopping_with(kind)
    expected = [run(undisturbed, Trial("a", number), level(value)) for number, value in enumerate(values)]
    assert 0 < sum(epoch is not None for epoch in expected) < len(values)
    for killed_after in range(len(values)):
        again, _ = stopping_with(kind)
        for number, epoch in enumerate(expected[:killed_after]):
            curve = level(values[number])[: epoch or EPOCHS]
            ending = Ending("pruned" if epoch else "ok", max(curve), 1.0, tuple(enumerate(curve, 1)))
            again.replay(Trial("a", number).job, ending)
        rest = [
            run(again, Trial("a", number), level(value))
            for number, value in enumerate(values)
            if number >= killed_after
        ]
        assert expected[:killed_after] + rest == expected


@pytest.mark.parametrize("kind", ["none", "asha", "median"])
def test_a_trial_is_ended_when_its_methods_cpu_seconds_are_used_up(kind):
    stopping, ended = stopping_with(kind, Budget(0.85))
    assert run(stopping, Trial("a", 0), level(0.5)) == 9
    assert ended["a-0"]["error"] == "ended after epoch 9: the CPU seconds of the method's search were used up"


def test_a_failed_trial_of_an_earlier_run_leaves_no_figure():
    stopping, _ = stopping_with("asha")
    stopping.replay(Trial("a", 0).job, Ending("failed", None, 1.0))
    stopping.replay(Trial("a", 1).job, Ending("diverged", None, 1.0, ((1, 0.9), (2, 0.95))))
    assert run(stopping, Trial("a", 2), level(0.1)) is None
