"""Space files and what a run changes of them: put together, and refused with a sentence that names file and field."""

import pytest

from hnlm_ray.base.errors import ConfigError, InputError
from hnlm_ray.config import CFConfig, Config, TuneConfig
from hnlm_ray.config.loading import load_config
from hnlm_ray.config.spaces import shipped_methods
from hnlm_ray.methods.known import RunMethods, controls_of, family, trials_of
from hnlm_ray.methods.method import Choice, Int, LogUniform, When
from hnlm_ray.methods.space_files import parse_space
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.tune.search.checks import rehearse
from hnlm_ray.tune.search.suggest import Suggestions

GOOD = "name: x\nworkspace: ws\nsource: {format: movielens_100k}\n"
TREE = {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}}


def tune(spaces, **settings):
    return TuneConfig.model_validate({"spaces": spaces, **settings})


def method(name, spaces):
    return RunMethods.of(tune(spaces))[name]


def test_a_change_is_merged_into_the_method_and_the_controls_follow():
    spaces = {
        "dns_pool": {
            "space": {"candidates": None, "guard": None, "reg": {"choice": [0.0, 0.01]}},
            "published": {"guard": None, "pool_share": 0.25},
        }
    }
    assert list(method("dns_pool", spaces).space) == ["lr", "reg", "pool_share"]
    assert method("dns_pool", spaces).space["reg"] == Choice((0.0, 0.01))
    assert list(method("dns_pool_random", spaces).space) == ["lr", "reg", "pool_share"]
    assert list(method("dns_pool_share0", spaces).space) == ["lr", "reg"]
    assert "candidates" in method("dns_pool", {}).space
    assert Suggestions("dns_pool", CFConfig(), "mf", tune(spaces), 3).suggest(0).pool_share == 0.25


def test_a_range_that_leaves_the_published_value_out_asks_for_another():
    narrow = {"space": {"candidates": {"choice": [4, 8]}}}
    with pytest.raises(InputError, match=r"tune\.spaces\.ahns: published\.candidates is 16, which lies outside"):
        method("ahns", {"ahns": narrow})
    for published in ({"candidates": 8}, {"candidates": None}):
        assert method("ahns", {"ahns": {**narrow, "published": published}}).space["candidates"] == Choice((4, 8))


def test_what_a_run_searches_is_no_longer_fixed():
    changed = method("softmax", {"softmax": {"space": {"softmax.similarity": {"choice": ["cosine", "dot"]}}}})
    assert "softmax.similarity" not in changed.fixed
    drawn = Suggestions(
        "softmax",
        CFConfig(),
        "mf",
        tune({"softmax": {"space": {"softmax.similarity": {"choice": ["cosine", "dot"]}}}}),
        1,
    )
    assert {drawn.suggest(trial).softmax.similarity for trial in range(1, 20)} == {"cosine", "dot"}


def test_values_are_those_that_a_training_holds():
    changed = method(
        "dns",
        {
            "dns": {
                "space": {"lr": {"choice": ["1e-3", 1]}, "dim": {"log_int": [8, 64]}, "reg": {"log_uniform": [1, 2]}}
            }
        },
    )
    assert changed.space["lr"] == Choice((0.001, 1.0))
    assert changed.space["dim"] == Int(8, 64, log=True)
    assert changed.space["reg"] == LogUniform(1.0, 2.0)


def test_a_condition_may_be_on_a_switch_a_number_or_the_model():
    space = {
        "guard": {"choice": [0, 0.5]},
        "graph": {"when": "model", "is": {"lightgcn": {"choice": [0.1, 0.2]}}},
        "guard_features": {"when": "guard", "is": {0.5: {"choice": ["cf", "text"]}}},
        "adapter_attention": {"choice": [False, True]},
        "dim": {"when": "adapter_attention", "is": {True: {"choice": [8, 16]}}},
    }
    built = method("dns", {"dns": {"space": space}}).space
    assert built["guard_features"] == When("guard", {0.5: Choice(("cf", "text"))})
    assert built["dim"] == When("adapter_attention", {True: Choice((8, 16))})
    drawn = Suggestions("dns", CFConfig(dim=5), "mf", tune({"dns": {"space": space}}), 3)
    for trial in range(1, 20):
        config = drawn.suggest(trial)
        assert config.graph == 0
        assert (config.dim == 5) == (not config.adapter_attention)


OWN = """# mine
extends: dns
fixed: {loss: hinge}
published: {margin: 0.5}
space: {margin: {uniform: [0.1, 1.0]}, reg: null}
"""


@pytest.fixture
def load(tmp_path):
    def load(tune, **texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        path = tmp_path / "run.yaml"
        path.write_text(f"{GOOD}tune: {tune.replace('DIR', str(tmp_path))}\n", encoding="utf-8")
        return load_config(str(path))

    return load


def test_a_method_of_ones_own_is_a_file_under_a_new_name(load):
    config = load("{methods: [dns, mine, mine_control], spaces: {mine: DIR/mine.yaml, mine_control: DIR/c.yaml}}",
                  mine=OWN, c="extends: mine\nfamily: control\ncontrol_of: mine\nfixed: {margin: 0}\n")  # fmt: skip
    methods = RunMethods.of(config.tune).chosen
    assert list(methods["mine"].space) == ["lr", "candidates", "margin"]
    assert (methods["mine"].family, methods["mine"].reads, methods["mine"].root) == ("classical", "nothing", "dns")
    assert list(RunMethods.of(config.tune).compared) == ["lightgcn-dns", "lightgcn-mine", "lightgcn-mine_control"]
    known = RunMethods.of(config.tune)
    assert family("lightgcn-mine", known) == "classical"
    assert controls_of("lightgcn-mine", known) == ["lightgcn-mine_control"]
    first = Suggestions("mine", config.cf, "lightgcn", config.tune, 1).suggest(0)
    assert (first.sampler, first.loss, first.margin) == ("dns", "hinge", 0.5)
    rehearse(config)
    again = Config.model_validate(config.model_dump(mode="json"))
    assert again == config


def trials_content(config):
    return find_stage("trials").depends_on(config)


def test_the_file_is_read_once_and_is_part_of_what_the_trials_are_made_from(load, tmp_path):
    config = load("{spaces: {dns: DIR/change.yaml}}", change="space: {candidates: {choice: [8, 16]}}\n")
    assert RunMethods.of(config.tune).chosen["dns"].space["candidates"] == Choice((8, 16))
    (tmp_path / "change.yaml").unlink()
    assert RunMethods.of(config.tune).chosen["dns"].space["candidates"] == Choice((8, 16))
    other = load("{spaces: {dns: DIR/change.yaml}}", change="space: {candidates: {choice: [8, 32]}}\n")
    plain = load("{}")
    hashes = {trials_content(one)["spaces"]["dns"] for one in (config, other, plain)}
    assert len(hashes) == 3
    assert len({trials_content(one)["spaces"]["rns"] for one in (config, other, plain)}) == 1


def test_what_does_not_shape_trials_is_not_part_of_them(load):
    plain, slower = load("{}"), load("{grace_epochs: 9, startup_trials: 3, concurrent: 5, cpus_per_trial: 0.5}")
    assert trials_content(plain) == trials_content(slower)
    for text in ("{search: tpe}", "{stopping: asha}", "{cpu_seconds: 60}", "{trials: 3}"):
        assert trials_content(load(text)) != trials_content(plain)
    assert trials_content(load("{stopping: asha, grace_epochs: 9}")) != trials_content(load("{stopping: asha}"))


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"lr": {"choice": []}}, r"tune\.spaces\.dns\.space\.lr\.choice: got .*at least 1 item"),
        ({"lr": {"choice": [1, 1]}}, r"lr\.choice: .*name 1 once"),
        ({"lr": {"uniform": [0.5, 0.1]}}, r"lr\.uniform: .*the lower bound 0\.5 must stand first"),
        ({"lr": {"uniform": [0.5, 0.5]}}, r"lr\.uniform: .*must stand first"),
        ({"lr": {"uniform": [0.5]}}, r"lr\.uniform"),
        ({"reg": {"log_uniform": [0, 1]}}, r"reg\.log_uniform: .*a logarithm needs bounds above 0, not 0"),
        ({"dim": {"log_int": [-1, 4]}}, r"dim\.log_int: .*a logarithm needs bounds above 0"),
        ({"dim": {"int": [1.5, 4]}}, r"dim\.int"),
        ({"dim": {"int": [1, 4], "choice": [1]}}, r"space\.dim: .*give one of choice, .*not choice and int"),
        ({"dim": {}}, r"space\.dim: .*give one of choice, .*not none of them"),
        ({"dim": {"chioce": [1]}}, r"space\.dim\.chioce: unknown key; did you mean 'choice'"),
        ({"dim": {"when": "loss"}}, r"space\.dim: .*`when` names a parameter and `is`"),
        ({"lr": {"uniform": [".nan", 1]}}, r"lr\.uniform"),
    ],
)
def test_a_range_that_is_none_is_refused_when_the_configuration_is_read(load, space, told):
    import yaml

    with pytest.raises(ConfigError, match=told):
        load(yaml.safe_dump({"spaces": {"dns": {"space": space}}}, default_flow_style=True, width=10_000).strip())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"space": {"learning_rate": {"choice": [1]}}}, r"space\.learning_rate: cf has no setting 'learning_rate'"),
        ({"space": {"softmax": {"choice": [1]}}}, r"cf has no setting 'softmax'"),
        ({"space": {"model": {"choice": ["mf"]}}}, r"space\.model: model is no parameter of a method"),
        ({"space": {"lr": {"choice": [0.1, 0]}}}, r"space\.lr\.choice: cf\.lr can't be '0'; input should be greater"),
        ({"space": {"alpha": {"uniform": [0, 2]}}}, r"space\.alpha\.uniform: cf\.alpha can't be '2\.0'"),
        ({"space": {"dim": {"uniform": [8, 64]}}}, r"space\.dim\.uniform: cf\.dim can't be '31\.19\d*'; .* integer"),
        ({"space": {"loss": {"choice": ["bpr", "hinge", "hing"]}}}, r"space\.loss\.choice: cf\.loss can't be 'hing'"),
        ({"fixed": {"dim": 0}}, r"tune\.spaces\.dns: fixed\.dim: cf\.dim can't be '0'"),
        ({"published": {"dim": 64}}, r"published\.dim is not searched; put it under fixed"),
        (
            {"published": {"candidates": 9999}},
            r"published\.candidates is 9999, which lies outside of space\.candidates",
        ),
        (
            {"published": {"lr": 5.0}},
            r"published\.lr is 5\.0, which lies outside .*widen the range, or publish a value",
        ),
        ({"fixed": {"lr": 0.1}, "space": {"lr": {"choice": [1]}}}, r"lr stands under fixed and under space"),
        ({"space": {"dim": {"when": "los", "is": {"bpr": {"choice": [1]}}}}}, r"dim\.when: cf has no setting 'los'"),
        ({"space": {"dim": {"when": "loss", "is": {"bpt": {"choice": [1]}}}}}, r"dim\.when: cf\.loss can't be 'bpt'"),
        ({"space": {"dim": {"when": "lr", "is": {"0.001": {"choice": [1]}}}}}, r"dim\.when: lr is a range of numbers"),
        (
            {"space": {"dim": {"when": "candidates", "is": {5: {"choice": [1]}}}}},
            r"space\.dim\.is: candidates is never '5'; use one of 2, 4, 8, 16, 32",
        ),
        ({"space": {"dim": {"when": "model", "is": {"mff": {"choice": [1]}}}}}, r"dim\.is: model is never 'mff'"),
        (
            {"space": {"lr": {"when": "candidates", "is": {8: {"choice": [1]}}}}},
            r"space\.lr\.when: candidates must stand before lr",
        ),
    ],
)
def test_a_space_that_no_training_has_is_refused_with_its_place(change, told):
    with pytest.raises(InputError, match=told):
        method("dns", {"dns": change})


@pytest.mark.parametrize(
    ("spaces", "name", "told"),
    [
        (
            {"a": {"extends": "b"}, "b": {"extends": "a"}},
            "a",
            r"tune\.spaces\.b: extends: a extends b extends a.*round",
        ),
        ({"a": {"extends": "a"}}, "a", r"extends: a extends a, which goes round"),
        ({"a": {"extends": "dnss"}}, "a", r"search space a: extends: got 'dnss', which is no method or part"),
        ({"a": {"extends": "../secret"}}, "a", r"'\.\./secret', which is no method or part"),
        ({"a": {"extends": "_shared"}}, "a", r"tune\.spaces\.a: family is missing"),
        ({"a": {"extends": "dns", "family": "control"}}, "a", r"names in `control_of` what it controls"),
        ({"a": {"extends": "dns", "control_of": "dns"}}, "a", r"names in `control_of` what it controls"),
    ],
)
def test_methods_of_ones_own_that_are_none(spaces, name, told):
    with pytest.raises(InputError, match=told):
        method(name, spaces)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("{methods: [dsn]}", r"tune\.methods: got .*there is no method 'dsn': did you mean 'dns'"),
        ("{methods: [zzz]}", r"there is no method 'zzz': use one of ahns, alpharec"),
        ("{methods: [_shared]}", r"tune\.methods\.0: got '_shared'"),
        ("{spaces: {dns: {family: text}}}", r"tune\.spaces: .*dns is a shipped method, so its family can't be changed"),
        ("{spaces: {'../x': {extends: dns}}}", r"tune\.spaces\.\.\./x"),
        ("{spaces: {dns: {sapce: {}}}}", r"tune\.spaces\.dns\.sapce: unknown key; did you mean 'space'"),
        ("{spaces: {dns: DIR/none.yaml}}", r"none\.yaml does not exist"),
        ("{spaces: {dns: DIR}}", r"is a folder"),
        ("{spaces: {dns: DIR/list.yaml}}", r"list\.yaml holds no mapping"),
        ("{spaces: {dns: 3}}", r"tune\.spaces\.dns: got 3"),
        ("{spaces: [dns]}", r"tune\.spaces: got \['dns'\]; a section of keys"),
        ("{metric: ndgc@20}", r"tune\.metric: got 'ndgc@20'; use recall@k, ndcg@k, .*map@k with a k of tune\.cutoffs"),
        ("{metric: ndcg}", r"tune\.metric: got 'ndcg'; use recall@k"),
        ("{metric: ndcg@0}", r"tune\.metric: got 'ndcg@0'; use recall@k"),
        ("{trials: 0}", r"tune\.trials: got 0"),
        ("{cpu_seconds: 0}", r"tune\.cpu_seconds: got 0"),
        ("{grace_epochs: 0}", r"tune\.grace_epochs: got 0"),
        ("{startup_trials: 0}", r"tune\.startup_trials: got 0"),
        ("{cpus_per_trial: 0}", r"tune\.cpus_per_trial: got 0"),
        ("{gpus_per_trial: -1}", r"tune\.gpus_per_trial: got -1"),
        ("{search: grid}", r"tune\.search: got 'grid'"),
        ("{stopping: early}", r"tune\.stopping: got 'early'"),
        ("{methods: [pool, kar]}", r"it needs a classical one"),
    ],
)
def test_a_section_that_can_not_be_is_refused_with_its_place(load, settings, told):
    with pytest.raises(ConfigError, match=told):
        load(settings, list="- a\n")


def test_a_file_of_ones_own_is_named_with_the_field_that_is_wrong(load):
    config = load("{methods: [dns, mine], spaces: {mine: DIR/mine.yaml}}", mine="extends: dns\nfixed: {dim: 0}\n")
    with pytest.raises(InputError, match=r"tune\.spaces\.mine \(.*mine\.yaml\): fixed\.dim: cf\.dim can't be '0'"):
        list(RunMethods.of(config.tune).chosen)


def test_a_run_of_ones_own_methods_alone_needs_a_classical_one():
    semantic = {"mine": {"extends": "pool"}}
    with pytest.raises(InputError, match=r"tune\.methods mine hold no classical method"):
        list(RunMethods.of(tune(semantic, methods=["mine"])).compared)
    assert RunMethods.of(tune({"mine": {"extends": "dns"}}, methods=["mine"])).compared


def test_a_control_is_one_of_a_method():
    lost = {"mine": {"extends": "dns", "family": "control", "control_of": "dsn"}}
    with pytest.raises(InputError, match=r"method mine of tune\.methods names 'dsn', which is no method"):
        list(RunMethods.of(tune(lost, methods=["dns", "mine"])).chosen)


def test_a_method_that_searches_nothing_has_one_trial():
    spaces = {"rns": {"space": {"lr": None, "reg": None}}}
    settings = tune(spaces, methods=["rns", "dns"])
    assert {name: trials_of(one.method, settings) for name, one in RunMethods.of(settings).compared.items()} == {
        "lightgcn-rns": 1,
        "lightgcn-dns": 8,
    }


def test_a_mixed_method_needs_one_whose_settings_it_takes():
    with pytest.raises(
        InputError, match=r"pool of tune\.methods takes the settings of the best of rns, pns, dns, and none of"
    ):
        list(RunMethods.of(tune({}, methods=["softmax", "pool"])).compared)
    assert RunMethods.of(tune({}, methods=["pns", "pool"])).compared


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", r"x\.yaml can't be parsed"),
        ("- a", r"x\.yaml holds no mapping"),
        ("famliy: text", r"x\.yaml: famliy: unknown key; use one of file, family"),
        ("space: {lr: {uniform: [2, 1]}}", r"x\.yaml: space\.lr\.uniform: got .*; the lower bound 2 must stand first"),
        ("space: {lr: {choose: [2, 1]}}", r"x\.yaml: space\.lr\.choose: unknown key; use one of choice"),
        ("family: clever", r"x\.yaml: family: got 'clever'; input should be 'classical'"),
    ],
)
def test_a_file_that_is_no_space_is_named_with_its_field(text, told):
    with pytest.raises(InputError, match=told):
        parse_space(text, "x.yaml")


def test_a_training_that_could_not_start_is_told_before_anything_runs():
    for cf, methods, told in (
        ({"loss": "softmax"}, ["dns"], r"lightgcn-dns of tune\.methods can't start with the section cf: cf\.loss"),
        ({"loss": "sampled_softmax"}, ["dns", "rns"], r"lightgcn-dns of .* draws by rns, pns, in_batch"),
        ({"candidates": 1}, ["dns_mn"], r"lightgcn-dns_mn .*cf\.dns\.top 2 is more than cf\.candidates 1"),
    ):
        with pytest.raises(InputError, match=told):
            rehearse(Config.model_validate(TREE | {"cf": cf, "tune": {"methods": methods}}))


def test_all_methods_can_start_as_they_are_published():
    rehearse(Config.model_validate(TREE | {"tune": {"methods": shipped_methods(), "models": ["lightgcn", "mf"]}}))


def test_a_method_that_no_memory_holds_is_refused_with_its_name():
    spaces = {"huge": {"extends": "rns", "fixed": {"dim": 2_000_000_000}}}
    with pytest.raises(InputError, match=r"mf-huge of tune\.methods can't start with the section cf: .*memory"):
        rehearse(Config.model_validate(TREE | {"tune": {"methods": ["huge"], "models": ["mf"], "spaces": spaces}}))


def test_methods_that_take_each_other_s_settings_are_refused_and_so_is_one_without_a_base_on_its_model():
    round_ = {"mine": {"extends": "hnlmrec", "nests": ["mine"]}}
    with pytest.raises(InputError, match=r"mine of tune\.methods .*, and lightgcn-mine takes those of others itself"):
        list(RunMethods.of(tune(round_, methods=["rns", "mine"])).compared)
    spaces = {"apart": {"extends": "dns", "models": ["mf"]}, "mine": {"extends": "pool", "nests": ["apart"]}}
    with pytest.raises(InputError, match=r"best of apart, and none of these is compared on lightgcn"):
        list(RunMethods.of(tune(spaces, methods=["rns", "apart", "mine"], models=["mf", "lightgcn"])).compared)


def test_a_method_that_reads_other_things_than_what_it_extends_has_the_controls_that_fit():
    known = RunMethods.of(tune({"mine": {"extends": "guard", "reads": "evidence"}}))
    assert controls_of("mf-mine", known) == ["mf-mine_no_text", "mf-mine_shuffled"]
    assert controls_of("mf-guard", known) == ["mf-guard_no_text", "mf-guard_shuffled", "mf-guard_facts"]
