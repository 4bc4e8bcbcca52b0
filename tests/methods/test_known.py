"""The shipped methods: what they are, what their trials hold, and what their controls leave out."""

import math
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.training.settings_read import unread_settings
from hnlm_ray.cf.training.trainer import reject_ignored_settings
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.config.controls import CONTROLS
from hnlm_ray.config.loading import load_config
from hnlm_ray.config.presets import merged
from hnlm_ray.config.spaces import DEFAULT_METHODS, STANDING_BASELINES, classical_methods, shipped_methods
from hnlm_ray.methods import known as methods
from hnlm_ray.methods.known import METHODS, RunMethods, controls_of, family, method_of, result_name
from hnlm_ray.methods.method import When
from hnlm_ray.methods.space_checks import value_at
from hnlm_ray.methods.space_files import build_method, read_shipped, shipped_files
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.tune.search.suggest import SHARED, Suggestions
from hnlm_ray.tune.search.trial_configs import choose

BASE = CFConfig(epochs=7, dim=16, lr=0.002, candidates=5)
ALL = shipped_methods()
SEMANTIC = [
    *("distill", "distill_fusion", "dns_pool", "fusion", "fusion_llm", "graph"),
    *("guard", "guard_ahns", "guard_dns_mn", "guard_llm", "guard_mixgcf", "hnlmrec", "pool", "tiers"),
]
POOLS = ("pool", "pool_alpha0", "pool_random", "pool_shuffled", "pool_facts")
MODELS = ("mf", "lightgcn", "ngcf", "sgl", "simgcl", "xsimgcl")


def trials(method, count=12, seed=3, model="lightgcn", base=BASE):
    suggestions = Suggestions(method, base, model, TuneConfig(), seed)
    return [suggestions.suggest(trial) for trial in range(count)]


def models_of(method):
    return [model for model in MODELS if METHODS[method].models is None or model in METHODS[method].models]


CF_ALONE = dict.fromkeys(("kernel", "profile", "votes", "cold"), 0)
SOLVED = {"popularity", "ease"}
FIRST = {
    "pool_alpha0": {"alpha": 0.0},
    "hnlmrec": {"alpha": 0.01},
    "hnlmrec_alpha0": {"alpha": 0.0, "contrastive": 0.0},
    "hnlmrec_random": {"alpha": 0.01},
    "hnlmrec_shuffled": {"alpha": 0.01},
    "hnlmrec_frozen": {"alpha": 0.01, "adapter_training": "frozen"},
    "hnlmrec_teacher": {"alpha": 0.01},
    "hnlmrec_item": {"alpha": 0.01},
    "popularity": {"model": "popularity"},
    "ease": {"model": "ease"},
    "softmax": {"loss": "softmax", "softmax": {"similarity": "cosine"}},
    "fusion_cf": {"loss": "softmax", "fusion": "validation", "softmax": {"similarity": "cosine"}, "teacher": CF_ALONE},
    "guard": {"guard": 0.5, "graph": 0.3},
    "guard_no_text": {"guard": 0.5, "guard_features": "cf"},
    "guard_shuffled": {"guard": 0.5, "graph": 0.3},
    "guard_facts": {"guard": 0.5, "graph": 0.3},
}


@pytest.mark.parametrize("method", DEFAULT_METHODS)
def test_the_first_trial_is_the_given_setting_and_the_rest_is_drawn(method):
    first, *drawn = trials(method)
    own = {"model": "lightgcn", "sampler": METHODS[method].sampler, **FIRST.get(method, {})}
    base = {**BASE.model_dump(), "reg": CFConfig().reg} if method in SOLVED else BASE.model_dump()
    assert first == CFConfig.model_validate(merged(base, own))
    searched = {name.partition(".")[0] for name in METHODS[method].space}
    assert any(config != first for config in drawn) == bool(searched)
    for config in drawn:
        changed = {name for name in CFConfig.model_fields if getattr(config, name) != getattr(first, name)}
        assert changed <= searched | set(METHODS[method].published)


def test_a_given_value_stands_before_the_published_one():
    given = BASE.model_copy(update={"alpha": 0.2, "guard": 0.9})
    assert trials("hnlmrec", 1, model="mf", base=given)[0].alpha == 0.2
    assert trials("guard", 1, model="mf", base=given)[0].guard == 0.9
    assert trials("dns_mn", 1)[0].candidates == 5
    assert trials("dns_mn", 1, base=CFConfig())[0].candidates == 200


@pytest.mark.parametrize("method", ALL)
def test_every_method_gives_only_trials_that_a_training_takes_and_reads(method):
    given = BASE.model_copy(update={"guard": 0.9, "graph": 0.7, "candidates": 16})
    for model in models_of(method):
        entry = METHODS[method]
        for config in trials(method, 40, 5, model, given):
            reject_ignored_settings(config)
            assert config.model == (entry.model or model)
            assert config.adapter_training not in {"alignment", "adversarial"} or config.alignment > 0
            if entry.needs not in {"text", "facts", "evidence"}:
                assert config.graph == 0
                assert config.guard == 0 or config.guard_features == "cf"


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), trial=st.integers(1, 30))
def test_what_is_searched_is_read_and_its_conditions_hold(seed, trial):
    for method in ALL:
        entry, model = METHODS[method], models_of(method)[-1]
        config = Suggestions(method, BASE, model, TuneConfig(), seed).suggest(trial)
        active = choose(BASE, entry, model, lambda _key, name, _range, config=config: value_at(config, name))
        assert unread_settings(config, active) == {}, method
        for name, dimension in entry.space.items():
            if isinstance(dimension, When):
                on = value_at(config, dimension.on)
                assert (name in active) == (on in dimension.ranges), (method, name)
                assert name not in active or dimension.ranges[on].holds(active[name])
            else:
                assert dimension.holds(active[name]), (method, name)


@pytest.mark.parametrize("method", ALL)
def test_every_published_setting_can_be_taken_by_the_search(method):
    """Otherwise the search would not learn from it."""
    entry, model = METHODS[method], models_of(method)[-1]
    [config] = trials(method, 1, model=model, base=CFConfig())
    known = {}
    choose(config, entry, model, lambda key, name, among: known.setdefault(key, (value_at(config, name), among))[0])
    assert [key for key, (value, among) in known.items() if not among.holds(value)] == []


@pytest.mark.parametrize("method", ALL)
def test_trials_repeat_and_more_begin_with_the_fewer(method):
    model = models_of(method)[-1]
    assert trials(method, model=model) == trials(method, model=model)
    assert trials(method, 5, model=model) == trials(method, model=model)[:5]
    assert (trials(method, model=model)[1:] == trials(method, seed=4, model=model)[1:]) == (not METHODS[method].space)


def test_all_methods_and_models_share_the_shared_draws():
    draws = {
        tuple((config.lr, config.reg) for config in trials(method, model=model))
        for method in DEFAULT_METHODS
        for model in ("mf", "lightgcn")
        if set(SHARED) <= set(METHODS[method].space)
    }
    assert len(draws) == 1
    assert len(set(next(iter(draws)))) == 12


def test_a_method_with_another_range_shares_the_place_in_it():
    quantiles = [
        [(math.log(config.lr) - math.log(low)) / math.log(high / low) for config in trials(method)[1:]]
        for method, low, high in (("rns", 5e-4, 1e-2), ("sfcml", 5e-3, 0.2))
    ]
    assert np.allclose(*quantiles)


def test_controls_search_what_their_method_searches():
    pool, alpha0, *others = (trials(method) for method in POOLS)
    for other in others:
        assert other == pool
    assert [config.alpha for config in alpha0] == [0.0] * 12
    assert [config.model_copy(update={"alpha": 0.0}) for config in pool] == alpha0
    assert "alpha" not in METHODS["pool_alpha0"].space


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
    assert trials("hnlmrec_teacher", 30) == trials("hnlmrec_item", 30) == real
    fixed = ("adapter_training", "alignment")
    assert [without(config, *fixed) for config in frozen] == [without(config, *fixed) for config in real]
    assert {config.adapter_training for config in frozen} == {"frozen"}
    assert {config.adapter_training for config in real} == {"joint", "alignment"}
    assert {(config.adapter_training, config.alignment) for config in real} >= {("joint", 0.0), ("alignment", 0.1)}


def test_guard_controls_differ_in_what_they_fix_alone():
    real, plain, shuffled = (trials(f"guard{suffix}", 30) for suffix in ("", "_no_text", "_shuffled"))
    assert shuffled == real == trials("guard_facts", 30)
    assert METHODS["guard_facts"].reads == "facts_text"
    fixed = ("guard_features", "graph")
    assert [without(config, *fixed) for config in plain] == [without(config, *fixed) for config in real]
    assert {tuple(getattr(config, name) for name in fixed) for config in plain} == {("cf", 0.0)}
    assert {config.guard_features for config in real} == {"full", "text"}
    assert {config.graph for config in real} == {0.0, 0.1, 0.3, 1.0}
    assert {config.graph for config in trials("guard", 30, model="mf")} == {0.0}


def test_the_other_guarded_samplers_have_the_controls_of_guard_and_search_what_their_sampler_does():
    for sampler in ("dns_mn", "ahns", "mixgcf"):
        real, plain, shuffled = (trials(f"guard_{sampler}{suffix}", 30) for suffix in ("", "_no_text", "_shuffled"))
        assert shuffled == real
        assert {config.sampler for config in real + plain} == {sampler}
        fixed = ("guard_features", "graph")
        assert [without(config, *fixed) for config in plain] == [without(config, *fixed) for config in real]
        assert {(config.guard_features, config.graph) for config in plain} == {("cf", 0.0)}
        assert {config.guard for config in real} == {0.0, 0.3, 0.5, 1.0}
        assert METHODS[sampler].space.keys() <= METHODS[f"guard_{sampler}"].space.keys()


def test_the_controls_of_pooled_candidates_differ_in_their_share_and_their_pool_alone():
    real, none, *others = (trials(f"dns_pool{suffix}", 30) for suffix in ("", "_share0", "_random", "_shuffled"))
    assert others == [real, real]
    assert [without(config, "pool_share") for config in none] == [without(config, "pool_share") for config in real]
    assert {config.pool_share for config in none} == {0.0}
    assert {config.pool_share for config in real} == {0.0, 0.25, 0.5, 1.0}
    assert {config.guard for config in real} == {0.0, 0.3, 0.5, 1.0}
    assert {config.guard_features for config in real} == {"cf"}
    assert [METHODS[name].reads for name in ("dns_pool_random", "dns_pool_shuffled")] == [
        "random_pool",
        "shuffled_pool",
    ]


def test_the_controls_of_models_that_read_text_have_their_trials():
    for method in ("rlmrec_con", "rlmrec_gen", "alpharec", "kar", "llmrec", "id_text"):
        assert trials(method, 6) == trials(f"{method}_shuffled", 6) == trials(f"{method}_facts", 6)


def test_draws_stay_inside_and_fill_their_ranges():
    drawn = trials("pool", 400)[1:] + trials("dns", 400)[1:] + trials("pns", 400)[1:]
    vectors = trials("hnlmrec", 400)[1:]
    assert 1e-4 <= min(config.alpha for config in vectors) < 2e-4
    assert 0.4 < max(config.alpha for config in vectors) <= 0.5
    assert {config.contrastive for config in vectors} == {0.0, 1e-3, 1e-2, 1e-1}
    assert {config.adapter_attention for config in vectors} == {False, True}
    for name, low, high in (("lr", 5e-4, 1e-2), ("reg", 1e-6, 3e-3)):
        logs = np.log([getattr(config, name) for config in drawn if config.sampler != "pool"])
        assert math.log(low) <= logs.min() < math.log(low) + 0.1
        assert math.log(high) - 0.1 < logs.max() <= math.log(high)
        assert abs(np.median(logs) - math.log(low * high) / 2) < 0.1 * math.log(high / low)
    pool = [config for config in drawn if config.sampler == "pool"]
    assert 0.05 <= min(config.alpha for config in pool) < 0.06
    assert 0.9 < max(config.alpha for config in pool) <= 1
    assert {config.candidates for config in drawn if config.sampler == "dns"} == {2, 4, 8, 16, 32}
    own = {config.text.own_experts for config in trials("kar", 200)[1:]}
    assert own == {1, 2, 3, 4, 5, 6}


def test_names_and_families():
    assert result_name("lightgcn", "dns") == "lightgcn-dns"
    assert result_name("lightgcn", "ease") == "ease"
    families = {method: family(result_name("mf", method)) for method in ALL}
    assert {name for name, found in families.items() if found == "classical"} == set(classical_methods())
    assert set(STANDING_BASELINES) <= set(classical_methods())
    assert [name for name, found in families.items() if found == "semantic"] == SEMANTIC
    assert all((found == "control") == (METHODS[name].control_of is not None) for name, found in families.items())
    assert all((found == "control") == (METHODS[name].takes in CONTROLS) for name, found in families.items())
    assert set(SHARED) <= set(METHODS["rns"].space)
    assert method_of("lightgcn-hnlmrec_frozen") == "hnlmrec_frozen"
    assert method_of("ease") == "ease"
    with pytest.raises(InputError, match="'mf-tns'"):
        family("mf-tns")


def test_a_semantic_method_has_its_own_controls():
    assert controls_of("mf-pool") == ["mf-pool_alpha0", "mf-pool_random", "mf-pool_shuffled", "mf-pool_facts"]
    kinds = ("alpha0", "random", "shuffled", "frozen", "teacher", "item")
    assert controls_of("lightgcn-hnlmrec") == [f"lightgcn-hnlmrec_{kind}" for kind in kinds]
    assert controls_of("mf-guard") == ["mf-guard_no_text", "mf-guard_shuffled", "mf-guard_facts"]
    assert controls_of("mf-dns") == []
    assert controls_of("rlmrec_con") == ["rlmrec_con_shuffled", "rlmrec_con_facts"]
    assert controls_of("mf-guard_llm") == ["mf-guard_llm_shuffled", "mf-guard"]
    assert controls_of("mf-fusion_cf") == []
    assert controls_of("mf-pool_facts") == ["mf-pool_alpha0", "mf-pool_random", "mf-pool_shuffled"]
    assert controls_of("mf-guard_facts") == ["mf-guard_no_text", "mf-guard_shuffled"]


def test_every_method_that_reads_what_an_llm_wrote_has_a_control_without_it():
    for name, entry in METHODS.items():
        if entry.family in {"semantic", "text"}:
            words = {METHODS[control].takes for control in entry.controls}
            extended = set(entry.controls) & {entry.name.removesuffix("_llm")}
            assert words & {"facts", "teacher", "item"} or extended, name
            assert words & {"shuffled"}, name


def test_where_a_run_reads_facts_the_control_by_facts_is_the_method_itself_and_left_out():
    tune = TuneConfig(methods=("dns", "guard", "guard_facts", "pool", "pool_facts"), item_text="facts")
    assert list(RunMethods.of(tune).chosen) == ["dns", "guard", "pool", "pool_facts"]
    assert RunMethods.of(tune).same_by_facts == ("guard_facts",)
    assert controls_of("mf-guard", RunMethods.of(tune)) == ["mf-guard_no_text", "mf-guard_shuffled"]
    assert "mf-pool_facts" in controls_of("mf-pool", RunMethods.of(tune))
    assert RunMethods.of(tune.model_copy(update={"item_text": "profiles"})).same_by_facts == ()
    own = TuneConfig.model_validate(
        {"methods": ["dns"], "item_text": "facts", "spaces": {"mine": {"extends": "guard"}}}
    )
    assert controls_of("mf-mine", RunMethods.of(own)) == ["mf-mine_no_text", "mf-mine_shuffled"]


def test_a_method_of_ones_own_has_the_controls_of_what_it_extends_or_its_own_list():
    spaces = {
        "mine": {"extends": "fusion", "fixed": {"teacher.votes": 0.1}},
        "bare": {"extends": "fusion", "controls": ["shuffled"]},
        "told": {"extends": "bare", "family": "control", "control_of": "bare", "reads": "nothing"},
    }
    methods = RunMethods.of(TuneConfig.model_validate({"spaces": spaces, "methods": ["dns", "mine_facts", "told"]}))
    assert methods["mine_facts"].fixed["teacher.votes"] == 0.1
    assert (methods["mine_facts"].reads, methods["mine_facts"].control_of) == ("facts_text", "mine")
    assert controls_of("mf-bare", methods) == ["mf-bare_shuffled", "mf-told"]
    assert methods["bare_shuffled"].root == "softmax"
    assert "bare_facts" not in methods


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"extends": "dns", "controls": ["shufled"]}, "no control 'shufled'"),
        ({"extends": "fusion", "controls": ["facts", "facts"]}, "name facts once"),
    ],
)
def test_a_list_of_controls_that_can_t_be_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        TuneConfig.model_validate({"spaces": {"mine": given}})


def test_a_control_that_takes_away_what_a_method_does_not_read_is_refused():
    tune = TuneConfig.model_validate({"spaces": {"mine": {"extends": "dns", "controls": ["shuffled"]}}})
    with pytest.raises(InputError, match="mine: controls: shuffled: a method that reads nothing has no such control"):
        RunMethods.of(tune)["mine_shuffled"]


def test_of_the_default_methods_only_guard_and_its_shuffled_control_read_text():
    assert [name for name in DEFAULT_METHODS if METHODS[name].needs == "text"] == ["guard", "guard_shuffled"]
    assert [name for name in DEFAULT_METHODS if METHODS[name].reads_facts] == ["pool_facts", "guard_facts"]
    assert RunMethods.of(TuneConfig()).reads_text
    assert not RunMethods.of(TuneConfig(methods=("rns", "pool", "guard_no_text"))).reads_text
    assert RunMethods.of(TuneConfig(methods=("rns", "kar"))).reads_text


def test_a_method_is_compared_on_the_models_that_it_can_run_on_and_a_model_once():
    tune = TuneConfig(methods=("mixgcf", "rns", "ease"), models=("mf", "lightgcn"))
    assert list(RunMethods.of(tune).compared) == ["mf-rns", "ease", "lightgcn-mixgcf", "lightgcn-rns"]
    with pytest.raises(InputError, match=r"mixgcf of tune\.methods can't run on mf, .* it runs on lightgcn"):
        list(RunMethods.of(TuneConfig(methods=("mixgcf", "rns"), models=("mf",))).compared)


def test_every_file_says_in_its_first_line_what_it_is(repository):
    spaces = repository / "hnlm_ray" / "methods" / "spaces"
    assert sorted(path.stem for path in spaces.rglob("*.yaml")) == list(shipped_files())  # each is read, and once
    for path in spaces.glob("*/*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("# ")
        assert read_shipped(path.stem)


def test_the_methods_of_a_run_can_be_sent_to_a_worker():
    import pickle

    tune = TuneConfig.model_validate({"spaces": {"dns": {"space": {"candidates": {"choice": [8, 16]}}}}})
    methods = pickle.loads(pickle.dumps(RunMethods.of(tune)))
    assert methods["dns"].space["candidates"].values == (8, 16)
    assert len(methods) == len(list(methods)) == len(ALL)


def test_a_run_puts_each_of_its_methods_together_once(monkeypatch, config_file):
    built = []
    monkeypatch.setattr(methods, "_KEPT", OrderedDict())
    monkeypatch.setattr(methods, "build_method", lambda name, *given: built.append(name) or build_method(name, *given))
    for item_text in ("profiles", "facts"):
        built.clear()
        config = load_config(str(config_file), [f"tune.item_text={item_text}"])
        enabled = [stage.name for stage in STAGES if stage.enabled(config)]
        assert "negative_pool" in enabled
        assert find_stage("trials").depends_on(config)["spaces"].keys() == RunMethods.of(config.tune).chosen.keys()
        assert sorted(built) == sorted(config.tune.methods)


def test_a_control_by_facts_may_be_compared_without_its_method():
    chosen = RunMethods.of(TuneConfig(methods=["rns", "pool_facts", "pool_shuffled"])).chosen
    assert controls_of("lightgcn-pool_facts", chosen) == ["lightgcn-pool_shuffled"]
    assert controls_of("lightgcn-pool_facts", {"pool_facts": chosen["pool_facts"]}) == []
