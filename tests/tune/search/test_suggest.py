"""Search: TPE by what was told, deterministic, first published then random, and better than random where it can be."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.methods.known import METHODS
from hnlm_ray.methods.method import Choice, Int, LogUniform, Uniform, When
from hnlm_ray.methods.space_checks import value_at
from hnlm_ray.tune.job import Told
from hnlm_ray.tune.search.suggest import Suggestions
from hnlm_ray.tune.search.trial_configs import choose

BASE = CFConfig()


def suggestions(method, seed=3, model="lightgcn", **tune):
    return Suggestions(method, BASE, model, TuneConfig.model_validate({"search": "tpe", **tune}), seed)


def run(method, score, trials, seed=3, **tune):
    """Search one trial after the other; a score of none is a training that diverged."""
    search, told = suggestions(method, seed, **tune), []
    for trial in range(trials):
        config = search.suggest(trial, told)
        value = score(config)
        told.append(Told(trial, config, value, "diverged" if value is None else "ok"))
    return told


def best(told):
    return max(one.value for one in told if one.value is not None)


def peak(config):
    """A ridge in learning rate and regularisation, which only a joint model of both follows, and a choice."""
    lr = (math.log(config.lr) - math.log(2e-3)) / math.log(20)
    reg = (math.log(config.reg) - math.log(1e-4)) / math.log(1000)
    return math.exp(-20 * lr**2 - 20 * (reg - lr) ** 2) * (1.0 if config.candidates == 16 else 0.8)


def test_tpe_finds_the_optimum_better_than_random_search():
    found, drawn = (
        np.array([best(run("dns", peak, 60, seed, search=search)) for seed in range(6)]) for search in ("tpe", "random")
    )
    assert found.mean() > 0.88
    assert found.mean() > drawn.mean() + 0.06
    assert (found >= drawn).sum() >= 5


def test_tpe_follows_a_condition():
    def score(config):
        if config.sampler == "in_batch":
            return 0.5 + 0.1 * (config.batch_size == 4096) + 0.1 * config.softmax.log_q
        return 0.3

    told = run("sampled_softmax", score, 40)
    late = [one.config for one in told[25:]]
    assert sum(config.sampler == "in_batch" for config in late) > 10
    assert best(told) == pytest.approx(0.7)


def test_the_first_trials_are_those_of_random_search():
    learnt = [one.config for one in run("pool", lambda config: config.alpha, 12, startup_trials=8)]
    drawn = [one.config for one in run("pool", lambda config: config.alpha, 12, search="random")]
    assert learnt[:8] == drawn[:8]
    assert learnt[8:] != drawn[8:]


def test_equal_seed_trial_and_told_give_equal_trials_in_whatever_order_they_were_told():
    told = run("hnlmrec", lambda config: config.alpha, 16)
    search = suggestions("hnlmrec")
    assert [search.suggest(trial, told[:trial]) for trial in range(16)] == [one.config for one in told]
    assert suggestions("hnlmrec").suggest(16, told[::-1]) == search.suggest(16, told)
    assert search.suggest(16, told) != search.suggest(17, told)
    assert search.suggest(16, told) != suggestions("hnlmrec", seed=4).suggest(16, told)


def test_another_process_suggests_the_same():
    program = (
        "from hnlm_ray.config import CFConfig, TuneConfig\n"
        "from hnlm_ray.tune.job import Told\nfrom hnlm_ray.tune.search.suggest import Suggestions\n"
        "search, told = Suggestions('pool', CFConfig(), 'mf', TuneConfig(search='tpe'), 3), []\n"
        "for trial in range(13):\n"
        "    config = search.suggest(trial, told)\n"
        "    told.append(Told(trial, config, config.alpha, 'ok'))\n"
        "print(config.model_dump_json())\n"
    )
    command = [sys.executable, "-c", program]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(2)]
    assert outputs[0].stdout == outputs[1].stdout != ""
    assert outputs[0].stderr == ""


def test_trials_that_diverged_count_as_the_worst_and_stop_nothing():
    told = run("dns", lambda config: None if config.lr > 3e-3 else 0.1, 40)
    late = [one.config.lr for one in told[20:]]
    assert sum(lr > 3e-3 for lr in late) <= 6
    only = [Told(trial, suggestions("dns").suggest(trial), None, "failed") for trial in range(12)]
    assert suggestions("dns").suggest(12, only)


def test_pruned_trials_teach_and_running_ones_are_kept_away_from():
    told = run("dns", peak, 20)
    pruned = [Told(one.trial, one.config, one.value, "pruned") for one in told]
    search = suggestions("dns")
    assert search.suggest(20, pruned) == search.suggest(20, told)
    likely = [search.suggest(trial, told) for trial in range(20, 40)]
    running = [*told, *(Told(20 + n, config, None, "running") for n, config in enumerate(likely))]
    assert any(search.suggest(trial, running) != search.suggest(trial, told) for trial in range(40, 50))


def test_a_first_trial_outside_of_the_space_is_left_out_of_what_is_learnt():
    search = Suggestions("dns", CFConfig(candidates=5), "mf", TuneConfig(search="tpe", startup_trials=2), 3)
    first = Told(0, search.suggest(0), 0.9, "ok")
    assert first.config.candidates == 5
    assert search.suggest(2, [first]).candidates in {2, 4, 8, 16, 32}


@settings(max_examples=25)
@given(
    method=st.sampled_from(sorted(METHODS)),
    seed=st.integers(0, 2**32 - 1),
    values=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=3, max_size=12),
)
def test_whatever_was_told_the_next_trial_lies_in_the_space(method, seed, values):
    model = (METHODS[method].models or ("lightgcn",))[-1]
    search = Suggestions(method, BASE, model, TuneConfig(search="tpe", startup_trials=2), seed)
    told = []
    for trial, value in enumerate(values):
        told.append(Told(trial, search.suggest(trial, told), value, "ok" if value is not None else "failed"))
    config = search.suggest(len(values), told)
    seen = {}
    choose(
        BASE, METHODS[method], model, lambda key, name, among: seen.setdefault(key, (value_at(config, name), among))[0]
    )
    assert all(among.holds(value) for value, among in seen.values())
    searched = {name for name, dimension in METHODS[method].space.items() if not isinstance(dimension, When)}
    assert searched <= set(seen)


@given(quantile=st.floats(0, 1), low=st.integers(1, 50), more=st.integers(1, 50))
def test_every_quantile_lies_in_its_range(quantile, low, more):
    high = low + more
    for one in (
        Int(low, high),
        Int(low, high, log=True),
        Uniform(float(low), float(high)),
        LogUniform(float(low), float(high)),
        Choice(("a", "b", low)),
    ):
        assert one.holds(one.at(quantile))
        assert one.holds(one.draw(np.random.default_rng(low)))


def test_a_whole_number_is_drawn_evenly_and_by_its_logarithm_evenly_in_that():
    rng = np.random.default_rng(0)
    even = np.bincount([Int(2, 5).draw(rng) for _ in range(4000)], minlength=6)
    assert even[:2].tolist() == [0, 0]
    assert even[2:].min() > 900
    log = np.array([Int(1, 100, log=True).draw(rng) for _ in range(4000)])
    assert log.min() == 1
    assert log.max() == 100
    assert abs(np.median(log) - 7) <= 2
