"""From a study's file to its runs' configurations; whatever is wrong is told before anything starts."""

import re
import shutil

import pytest
import yaml

from hnlm_ray.base.errors import ConfigError, InputError
from hnlm_ray.compare.method_rows import LEAST_SEARCHES, LEAST_TRIALS
from hnlm_ray.config.loading import load_config
from hnlm_ray.config.spaces import STANDING_BASELINES
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.study.claims.judging import CLAIMS
from hnlm_ray.study.study_file import load_study, seed_of

TREE = {
    "name": "x",
    "workspace": "runs/x",
    "base": {"extends": "laptop", "cf": {"dim": 8, "epochs": 3}},
    "datasets": [
        {"name": "ml", "set": {"source": {"format": "movielens_100k"}, "prepare": {"min_rating": 4}}},
        {"name": "own", "set": {"source": {"format": "ngcf", "path": "data"}, "cf": {"epochs": 5}}},
    ],
    "variants": [{"name": "all"}, {"name": "half", "set": {"prepare": {"split": {"train_share": 0.5}}}}],
    "methods": ["rns", "dns"],
    "metric": "recall@10",
}


def load(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(TREE | changes), encoding="utf-8")
    return load_study(str(path))


def test_each_data_set_is_run_in_each_variant_on_what_all_build_on(tmp_path):
    study = load(tmp_path)
    assert [run.name for run in study.runs] == ["ml/all", "ml/half", "own/all", "own/half"]
    ml, half, own, _ = (run.config for run in study.runs)
    assert (ml.cf.dim, ml.cf.epochs, own.cf.epochs, ml.prepare.max_users) == (8, 3, 5, 300)
    assert (ml.prepare.split.train_share, half.prepare.split.train_share) == (1, 0.5)
    assert half.prepare.min_rating == 4
    assert half.workspace == "runs/x/runs/ml/half"
    assert {run.config.stages for run in study.runs} == {"needed"}
    assert ml.tune.methods == ("rns", "dns")
    assert (ml.tune.metric, ml.tune.seeds, ml.tune.searches) == ("recall@10", 3, 3)
    assert load(tmp_path, searches=5).runs[0].config.tune.searches == 5


def test_each_data_set_has_a_seed_of_its_own_for_its_searches_draw_by_it(tmp_path):
    study = load(tmp_path, base={**TREE["base"], "seed": 7})
    seeds = {run.name: run.config.seed for run in study.runs}
    assert seeds["ml/all"] == seeds["ml/half"] == seed_of(7, "ml")
    assert seeds["own/all"] == seed_of(7, "own") != seeds["ml/all"]
    assert load(tmp_path).runs[0].config.seed == seed_of(42, "ml")
    given = [TREE["datasets"][0], {**TREE["datasets"][1], "set": {**TREE["datasets"][1]["set"], "seed": 5}}]
    assert {run.dataset: run.config.seed for run in load(tmp_path, datasets=given).runs} == {
        "ml": seed_of(42, "ml"), "own": 5,
    }  # fmt: skip


def test_a_seed_that_is_none_is_told(tmp_path):
    with pytest.raises(ConfigError, match="seed"):
        load(tmp_path, base={**TREE["base"], "seed": -7})


def test_a_study_builds_on_a_run_s_file_beside_it(tmp_path):
    (tmp_path / "run.yaml").write_text("name: r\nworkspace: w\ncf: {dim: 6}\ntune: {methods: [pns], trials: 3}\n")
    config = load(tmp_path, base="run.yaml").runs[0].config
    assert (config.cf.dim, config.tune.trials, config.tune.methods) == (6, 3, ("rns", "dns"))
    assert config.name == "ml-all"


def test_some_data_sets_alone(tmp_path):
    study = load(tmp_path)
    assert [run.name for run in study.of(["own"])] == ["own/all", "own/half"]
    with pytest.raises(InputError, match="no data set 'nope': name one of ml, own"):
        study.of(["nope"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"claim": ["semantic"]}, r"claim: unknown key; did you mean 'claims'"),
        ({"claims": ["everything"]}, "claims.0: got 'everything'"),
        ({"datasets": []}, "datasets"),
        ({"datasets": [{"name": "../up"}]}, "datasets.0.name"),
        ({"datasets": [{"name": "a"}, {"name": "A"}]}, "name a once"),
        ({"datasets": [{"name": "a", "set": {"workspace": "/etc"}}]}, "workspace is the study's own"),
        ({"datasets": [{"name": "a", "set": {"tune": {"seeds": 9}}}]}, r"tune\.seeds is the study's own"),
        ({"variants": [{"name": "a", "set": {"tune": {"searches": 9}}}]}, r"tune\.searches is the study's own"),
        ({"searches": 0}, "searches"),
        ({"datasets": [{"name": "a"}]}, "data set a, variant all: 1 value is wrong(.|\n)*source: missing"),
        ({"datasets": [{"name": "a", "set": {"source": {"format": "movielens_100k"}, "tune": 3}}]}, "tune holds no"),
        ({"methods": ["rnz"]}, "no method 'rnz': did you mean 'rns'"),
        ({"methods": ["pool"]}, "it needs a classical one"),
        ({"methods": ["rns", "rns"]}, "name rns once"),
        ({"base": "nope"}, "no preset 'nope'"),
        ({"base": "nope.yaml"}, "does not exist"),
        ({"metric": "ndcg"}, "metric"),
    ],
)
def test_what_is_wrong_is_one_error_with_its_place(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        load(tmp_path, **changes)


def test_every_set_of_the_semantic_study_that_has_ratings_says_which_are_positive(repository):
    least = {}
    for run in load_study(str(repository / "configs" / "studies" / "semantic.yaml")).runs:
        columns = getattr(getattr(run.config.source, "interactions", None), "columns", None)
        if run.config.source.format == "movielens_100k" or getattr(columns, "rating", None):
            least[run.dataset] = run.config.prepare.min_rating
    assert least == {"ml100k": 4, "rotten_tomatoes": 1, "xwines": 4, "musical_instruments": 4}


@pytest.mark.parametrize("name", ["classical", "claims", "semantic"])
def test_a_shipped_study_opens_with_the_command_that_runs_it_and_loads(repository, name):
    path = repository / "configs" / "studies" / f"{name}.yaml"
    assert path.read_text(encoding="utf-8").startswith(f"# hnlm study --config configs/studies/{name}.yaml\n")
    study = load_study(str(path))
    assert study.config.name == name
    kinds = {stage.name for run in study.runs for stage in STAGES if stage.enabled(run.config)}
    assert ("item_profiles" in kinds) == (name == "claims")
    assert "searches" in study.config.model_fields_set
    assert all(run.config.tune.searches * run.config.tune.trials >= LEAST_TRIALS for run in study.runs)
    assert study.config.searches >= LEAST_SEARCHES


@pytest.mark.parametrize(("name", "absent"), [("classical", {"fusion_cf"}), ("claims", set()), ("semantic", set())])
def test_a_shipped_study_has_the_standing_baselines_and_every_control_of_its_semantic_methods(repository, name, absent):
    """The classical study has no late fusion: it is about samplers."""
    study = load_study(str(repository / "configs" / "studies" / f"{name}.yaml"))
    for run in study.runs:
        methods = RunMethods.of(run.config.tune).chosen
        assert set(STANDING_BASELINES) - set(methods) == absent
        for method in [one for one in methods.values() if one.family == "semantic"]:
            assert set(method.controls) <= set(methods), method.name


def test_the_studies_of_the_description_load(repository, tmp_path):
    text = (repository / "docs" / "studies.md").read_text(encoding="utf-8")
    (tmp_path / "studies").mkdir()
    shutil.copy(repository / "configs" / "demo.yaml", tmp_path)
    found = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in found:
        path = tmp_path / "studies" / "study.yaml"
        path.write_text(block, encoding="utf-8")
        assert len(load_study(str(path)).runs) in {2, 4}
    assert len(found) == 2
    assert all(f"| `{name}` |" in text for name in CLAIMS)


def test_a_run_s_file_and_a_study_s_name_the_command_that_takes_them(repository):
    run, study = (str(repository / "configs" / name) for name in ("demo.yaml", "studies/classical.yaml"))
    with pytest.raises(ConfigError, match=r"demo\.yaml is a run's file, not a study's: use `hnlm run --config \S+demo"):
        load_study(run)
    with pytest.raises(
        ConfigError, match=r"classical\.yaml is a study's file.*: use `hnlm study --config \S+classical"
    ):
        load_config(study)
