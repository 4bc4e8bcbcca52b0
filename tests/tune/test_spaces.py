import math
from typing import get_args

import numpy as np
import pytest

from hnlm_ray.cf.trainer import reject_ignored_settings
from hnlm_ray.config import CFConfig, MethodName
from hnlm_ray.errors import InputError
from hnlm_ray.tune.methods import METHODS, controls_of, family, method_of, reads_text, result_name
from hnlm_ray.tune.spaces import SHARED, sample_trials, search_space

BASE = CFConfig(epochs=7, dim=16, lr=0.002, candidates=5)
ALL = get_args(MethodName)
POOLS = ("pool", "pool_alpha0", "pool_random", "pool_shuffled")


def trials(method, count=12, seed=3, model="lightgcn"):
    return sample_trials(BASE, method, model, count, seed)


def test_every_method_has_a_space():
    assert set(METHODS) == set(ALL)
    for method in ALL:
        assert set(SHARED) <= set(search_space(method)) <= set(CFConfig.model_fields)


FIRST = {
    "pool_alpha0": {"alpha": 0.0},
    "hnlmrec": {"alpha": 0.01},
    "hnlmrec_alpha0": {"alpha": 0.0, "contrastive": 0.0},
    "hnlmrec_random": {"alpha": 0.01},
    "hnlmrec_shuffled": {"alpha": 0.01},
    "hnlmrec_frozen": {"alpha": 0.01, "adapter_training": "frozen"},
    "guard": {"guard": 0.5, "graph": 0.3},
    "guard_no_text": {"guard": 0.5, "guard_features": "cf"},
    "guard_shuffled": {"guard": 0.5, "graph": 0.3},
}


@pytest.mark.parametrize("method", ALL)
def test_the_first_trial_is_the_given_setting_and_the_rest_is_drawn(method):
    first, *drawn = trials(method)
    own = {"model": "lightgcn", "sampler": METHODS[method].sampler, **FIRST.get(method, {})}
    assert first == BASE.model_copy(update=own)
    searched = set(search_space(method))
    for config in drawn:
        assert config != first
        changed = {name for name in CFConfig.model_fields if getattr(config, name) != getattr(first, name)}
        assert changed <= searched | set(METHODS[method].published)


def test_a_given_value_stands_before_the_published_one():
    given = BASE.model_copy(update={"alpha": 0.2, "guard": 0.9})
    assert sample_trials(given, "hnlmrec", "mf", 1, 3)[0].alpha == 0.2
    assert sample_trials(given, "guard", "mf", 1, 3)[0].guard == 0.9


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
@pytest.mark.parametrize("method", ALL)
def test_no_trial_is_refused_whatever_guard_and_graph_are_given(method, model):
    given = BASE.model_copy(update={"guard": 0.9, "graph": 0.7})
    for config in sample_trials(given, method, model, 60, 5):
        reject_ignored_settings(config)
        assert config.adapter_training not in {"alignment", "adversarial"} or config.alignment > 0
        if METHODS[method].reads != "text" and method != "guard_shuffled":
            assert config.graph == 0
            assert config.guard == 0 or config.guard_features == "cf"


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


def without(config, *names):
    return config.model_copy(update=dict.fromkeys(names, None))


def test_vector_controls_differ_in_what_they_fix_alone():
    real, alpha0, *others, frozen = (
        trials(f"hnlmrec{suffix}", 30) for suffix in ("", "_alpha0", "_random", "_shuffled", "_frozen")
    )
    assert others == [real, real]
    fixed = ("alpha", "contrastive", "adapter_training", "alignment")
    assert [without(config, *fixed) for config in alpha0] == [without(config, *fixed) for config in real]
    assert {tuple(getattr(config, name) for name in fixed) for config in alpha0} == {(0.0, 0.0, "joint", 0.0)}
    fixed = ("adapter_training", "alignment")
    assert [without(config, *fixed) for config in frozen] == [without(config, *fixed) for config in real]
    assert {config.adapter_training for config in frozen} == {"frozen"}
    assert {config.adapter_training for config in real} == {"joint", "alignment"}
    assert {(config.adapter_training, config.alignment) for config in real} >= {("joint", 0.0), ("alignment", 0.1)}


def test_guard_controls_differ_in_what_they_fix_alone():
    real, plain, shuffled = (trials(f"guard{suffix}", 30) for suffix in ("", "_no_text", "_shuffled"))
    assert shuffled == real
    fixed = ("guard_features", "graph")
    assert [without(config, *fixed) for config in plain] == [without(config, *fixed) for config in real]
    assert {tuple(getattr(config, name) for name in fixed) for config in plain} == {("cf", 0.0)}
    assert {config.guard_features for config in real} == {"full", "text"}
    assert {config.graph for config in real} == {0.0, 0.1, 0.3, 1.0}


def test_draws_stay_inside_and_fill_their_ranges():
    drawn = trials("pool", 400)[1:] + trials("dns", 400)[1:] + trials("pns", 400)[1:]
    vectors = trials("hnlmrec", 400)[1:]
    assert 1e-4 <= min(config.alpha for config in vectors) < 2e-4
    assert 0.4 < max(config.alpha for config in vectors) <= 0.5
    assert {config.loss for config in vectors} == {"bpr", "hinge"}
    assert {config.contrastive for config in vectors} == {0.0, 1e-3, 1e-2, 1e-1}
    assert {config.adapter_attention for config in vectors} == {False, True}
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
    families = {method: family(result_name("mf", method)) for method in ALL}
    assert [name for name, found in families.items() if found == "classical"] == ["rns", "pns", "dns"]
    assert [name for name, found in families.items() if found == "semantic"] == ["pool", "hnlmrec", "guard"]
    assert {found for name, found in families.items() if "_" in name} == {"control"}
    assert method_of("lightgcn-hnlmrec_frozen") == "hnlmrec_frozen"
    with pytest.raises(InputError, match="'mf-tns'"):
        family("mf-tns")


def test_a_semantic_method_has_its_own_controls():
    assert controls_of("mf-pool") == ["mf-pool_alpha0", "mf-pool_random", "mf-pool_shuffled"]
    kinds = ("alpha0", "random", "shuffled", "frozen")
    assert controls_of("lightgcn-hnlmrec") == [f"lightgcn-hnlmrec_{kind}" for kind in kinds]
    assert controls_of("mf-guard") == ["mf-guard_no_text", "mf-guard_shuffled"]
    assert controls_of("mf-dns") == []


def test_only_guard_and_its_shuffled_control_read_text():
    assert [method for method in ALL if reads_text([method])] == ["guard", "guard_shuffled"]
    assert reads_text(ALL)
