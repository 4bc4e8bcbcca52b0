import math
from typing import get_args

import numpy as np
import pytest

from hnlm_ray.config import CFConfig, MethodName
from hnlm_ray.errors import InputError
from hnlm_ray.tune.spaces import METHODS, SHARED, family, result_name, sample_trials, search_space

BASE = CFConfig(epochs=7, dim=16, lr=0.002, candidates=5)
ALL = get_args(MethodName)
POOLS = ("pool", "pool_alpha0", "pool_random", "pool_shuffled")


def trials(method, count=12, seed=3, model="lightgcn"):
    return sample_trials(BASE, method, model, count, seed)


def test_every_method_has_a_space():
    assert set(METHODS) == set(ALL)
    for method in ALL:
        assert set(SHARED) <= set(search_space(method)) <= set(CFConfig.model_fields)


@pytest.mark.parametrize("method", ALL)
def test_the_first_trial_is_the_given_setting_and_the_rest_is_drawn(method):
    first, *drawn = trials(method)
    fixed = {"alpha": 0.0} if method == "pool_alpha0" else {}
    assert first == BASE.model_copy(update={"model": "lightgcn", "sampler": METHODS[method].sampler, **fixed})
    searched = set(search_space(method))
    for config in drawn:
        assert config != first
        changed = {name for name, value in config.model_dump().items() if value != getattr(first, name)}
        assert changed <= searched


@pytest.mark.parametrize("method", ALL)
def test_trials_repeat_and_more_begin_with_the_fewer(method):
    assert trials(method) == trials(method)
    assert trials(method, 5) == trials(method)[:5]
    assert trials(method)[1:] != trials(method, seed=4)[1:]
    assert len(trials(method, 1)) == 1


def test_all_methods_and_models_share_the_shared_draws():
    draws = {
        tuple((config.lr, config.reg) for config in trials(method, model=model))
        for method in ALL
        for model in ("mf", "lightgcn")
    }
    assert len(draws) == 1
    assert len(set(next(iter(draws)))) == 12


def test_controls_search_what_their_method_searches():
    pool, alpha0, *others = (trials(method) for method in POOLS)
    for other in others:
        assert other == pool
    assert [config.alpha for config in alpha0] == [0.0] * 12
    assert [config.model_copy(update={"alpha": 0.0}) for config in pool] == alpha0
    assert "alpha" not in search_space("pool_alpha0")


def test_draws_stay_inside_and_fill_their_ranges():
    drawn = trials("pool", 400)[1:] + trials("dns", 400)[1:] + trials("pns", 400)[1:]
    for name, low, high in (("lr", 5e-4, 1e-2), ("reg", 1e-6, 1e-3)):
        logs = np.log([getattr(config, name) for config in drawn])
        assert math.log(low) <= logs.min() < math.log(low) + 0.1
        assert math.log(high) - 0.1 < logs.max() <= math.log(high)
        assert abs(np.median(logs) - math.log(low * high) / 2) < 0.1 * math.log(high / low)
    pool = [config for config in drawn if config.sampler == "pool"]
    assert 0.05 <= min(config.alpha for config in pool) < 0.06
    assert 0.9 < max(config.alpha for config in pool) <= 1
    assert {config.base_sampler for config in pool} == {"rns", "pns", "dns"}
    assert {config.candidates for config in drawn if config.sampler == "dns"} == {2, 4, 8, 16, 32}


def test_names_and_families():
    assert result_name("lightgcn", "dns") == "lightgcn-dns"
    found = {family(result_name("mf", method)) for method in ("rns", "pns", "dns")}
    assert (found, family("mf-pool")) == ({"classical"}, "semantic")
    assert {family(method) for method in POOLS[1:]} == {"control"}
    with pytest.raises(InputError, match="'mf-tns'"):
        family("mf-tns")
