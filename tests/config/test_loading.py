"""Configuration files: every error at once, each with its path, the value got and the remedy."""

from datetime import date
from operator import attrgetter

import pytest
from pydantic import ValidationError

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.hashing import fingerprint_of
from hnlm_ray.config import Config
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.stages import STAGES

GOOD = "name: x\nworkspace: ws\nsource: {format: movielens_100k}\n"


@pytest.fixture
def load(tmp_path):
    def load(text, *overrides, workspace=None):
        path = tmp_path / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(str(path), overrides, workspace)

    return load


def test_defaults_overrides_and_workspace(load):
    config = load(GOOD, "cf.epochs=7", "tune.methods=[rns, pool]", "prepare.split.test=0.3", workspace="other")
    assert config.cf.epochs == 7
    assert config.tune.methods == ("rns", "pool")
    assert config.prepare.split.test == 0.3
    assert config.workspace == "other"


def test_an_override_makes_the_section_it_needs_and_later_ones_win(load):
    assert load(GOOD, "llm.scripted.none=0.5", "llm.scripted.none=0.25").llm.scripted.none == 0.25


def test_all_errors_are_reported_together(load):
    text = GOOD + "cf: {dim: 0, epohcs: 3}\nllm: {engine: gpt}\ntune: {seeds: 1}\nprepare: {since: soon}\n"
    with pytest.raises(ConfigError) as caught:
        load(text, "seed=-1", "nonsense")
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("7 values are wrong; mend it and run again:")
    for beginning in (
        "  --set nonsense: write it as path=value",
        "  cf.dim: got 0; ",
        "  cf.epohcs: unknown key; did you mean 'epochs'?",
        "  llm.engine: got 'gpt'; ",
        "  tune.seeds: got 1; ",
        "  prepare.since: got 'soon'; ",
        "  seed: got -1; ",
    ):
        assert any(line.startswith(beginning) for line in lines), (beginning, lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nworkspace: ws\n", "source: missing"),
        ("name: x\nworkspace: ws\nsource: {format: csv}\n", "source.format: got 'csv'; allowed: "),
        ("name: x\nworkspace: ws\nsource: {format: table}\n", "source.interactions: missing"),
        (
            "name: x\nworkspace: ws\nsource: {format: table, interactions: {path: a, colums: {}}}\n",
            "did you mean 'columns'",
        ),
        ("name: ../x\nworkspace: ws\nsource: {format: movielens_100k}\n", "name: got '../x'"),
        (GOOD + "prepare: {split: {validation: 0.6, test: 0.6}}\n", "validation \\+ test must stay below 1"),
        (GOOD + "tune: {metric: ndcg@7}\n", "tune.metric: got 'ndcg@7'; it needs its cut-off in tune.cutoffs"),
        (GOOD + "tune: {cutoffs: [5]}\n", "tune.metric: got 'ndcg@20'; it needs its cut-off"),
        (GOOD + "tune: {cutoffs: []}\n", r"tune.cutoffs: got \[\]; "),
        (GOOD + "tune: {cutoffs: [20, 20]}\n", r"tune.cutoffs: got \[20, 20\]; name 20 once"),
        (GOOD + "tune: {models: []}\n", r"tune.models: got \[\]; "),
        (GOOD + "tune: {models: [mf, mf]}\n", "tune.models: .*; name mf once"),
        (GOOD + "tune: {methods: [rns, pool, pool, rns]}\n", "tune.methods: .*; name pool, rns once"),
        (GOOD + "tune: {methods: [pool]}\n", r"tune.methods: got \['pool'\]; it needs a classical one"),
        (GOOD + "llm: {gpus_per_engine: 2}\n", "llm.tensor_parallel: got 1; with gpus_per_engine 2 it must be 2"),
        (GOOD + "llm: {gpus_per_engine: 1, tensor_parallel: 2}\n", "llm.tensor_parallel: got 2; .* must be 1"),
        (GOOD + "cf: {validation: none}\n", "cf.validation: got 'none'; trials are chosen on validation"),
        (GOOD + "cf: 3\n", "cf: got 3"),
        (GOOD + "what: 1\n", "what: unknown key"),
        (GOOD + "table: 1\n", "table: unknown key"),
        (GOOD + "cf: {lr: .inf}\n", "cf.lr: got inf; input should be a finite number"),
        (GOOD + "tune: {methods: rns}\n", "tune.methods: got 'rns'; a list is expected"),
        (GOOD.replace("ws", '""'), "workspace: got ''; name a folder"),
        (GOOD.replace("ws", '"a\\0b"'), "workspace: got 'a.x00b'; name a folder"),
    ],
)
def test_each_error_names_its_place(load, text, told):
    with pytest.raises(ConfigError, match=told):
        load(text)


def test_errors_of_one_section_hide_none_of_the_others(load):
    text = GOOD + "tune: {metric: ndcg@30, methods: [], seeds: 1}\ncf: {validation: none}\nllm: {top_p: 2}\n"
    with pytest.raises(ConfigError) as caught:
        load(text)
    places = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert sorted(places) == ["cf.validation", "llm.top_p", "tune.methods", "tune.metric", "tune.seeds"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no mapping"),
        ("- a\n", "holds no mapping"),
        ("a: [1\n", "can't be parsed at line"),
        ("a: b: c\n", "can't be parsed at line 1"),
        (b"a: \xff\n", "not UTF-8"),
        ("a: " + "[" * 1500, "nested too deep|can't be parsed"),
        ("a: !!python/object/apply:os.system [ls]\n", "can't be parsed"),
        ("a: \x00\n", "can't be parsed"),
    ],
)
def test_files_that_are_no_yaml_mapping(load, text, told):
    with pytest.raises(ConfigError, match=told):
        load(text)


def test_a_hundred_errors_are_counted_and_twenty_told(load):
    with pytest.raises(ConfigError, match="100 values are wrong") as caught:
        load(GOOD + "".join(f"key{number}: 1\n" for number in range(100)))
    assert str(caught.value).splitlines()[-1] == "  and 80 more"
    assert len(str(caught.value).splitlines()) == 22


def test_an_override_that_is_no_date_or_far_too_deep_is_told_as_a_wrong_value(load):
    with pytest.raises(ConfigError, match="got '2015-13-45'"):
        load(GOOD, "cf.epochs=2015-13-45")
    with pytest.raises(ConfigError, match=r"cf\.epochs: got '"):
        load(GOOD, f"cf.epochs={'[' * 1500}")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(str(tmp_path / "file" / "x.yaml"))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("cf.epochs", "write it as path=value"),
        ("=3", "write it as path=value"),
        ("cf..epochs=3", "write it as path=value"),
        ("name.x=3", "name holds a value, not a section"),
        ("cf.none=3", "cf.none: unknown key"),
        ("cf.epochs=[", "cf.epochs: got '\\['"),
    ],
)
def test_overrides_that_are_wrong(load, override, told):
    with pytest.raises(ConfigError, match=told):
        load(GOOD, override)


def test_overriding_an_empty_section(load):
    assert load(GOOD + "cf:\n", "cf.epochs=3").cf.epochs == 3


def test_a_long_value_is_cut(load):
    with pytest.raises(ConfigError) as caught:
        load(GOOD, f"seed={'x' * 5000}")
    assert len(str(caught.value)) < 500


def test_every_shipped_preset_loads_and_names_its_command(repository):
    presets = sorted((repository / "configs").glob("*.yaml"))
    assert presets
    for preset in presets:
        load_config(str(preset))
        first = preset.read_text(encoding="utf-8").splitlines()[0]
        assert first == f"# hnlm run --config configs/{preset.name}"


PAPER = {
    "finetune.lora.rank": 32,
    "finetune.lora.dropout": 0.05,
    "finetune.lora.targets": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "finetune.lr": 2e-5,
    "finetune.epochs": 5,
    "finetune.batch_size": 32,
    "finetune.temperature": 0.05,
    "finetune.rival_targets": False,
    "finetune.zero_stage": 2,
    "records.most": 10_000,
    "prepare.min_rating": 4,
    "prepare.since": date(2015, 1, 1),
    "prepare.until": date(2018, 1, 1),
    "prepare.user_core": 10,
    "prepare.item_core": 10,
    "cf.alpha": 1e-2,
    "cf.contrastive": 1e-3,
    "cf.temperature": 0.2,
    **{
        f"{section}.{name}": value
        for section in ("cf", "teacher.cf")
        for name, value in {
            "model": "lightgcn",
            "dim": 512,
            "layers": 3,
            "batch_size": 10_000,
            "lr": 1e-3,
            "reg": 1e-4,
            "epochs": 100,
        }.items()
    },
}


@pytest.mark.parametrize("path", PAPER)
def test_the_paper_s_preset_has_the_paper_s_values(repository, path):
    assert attrgetter(path)(load_config(str(repository / "configs" / "paper_7b.yaml"))) == PAPER[path]


def test_the_paper_s_preset_runs_on_gpus_in_a_store_that_all_machines_see(repository):
    config = load_config(str(repository / "configs" / "paper_7b.yaml"))
    assert config.workspace.startswith("s3://")
    assert config.llm.model == "Qwen/Qwen2.5-7B-Instruct"
    assert (config.finetune.precision, config.finetune.gradient_checkpointing) == ("bfloat16", True)
    for stage in ("item_profiles", "teacher", "finetune", "finetune_eval", "embeddings", "trials"):
        bundles = next(one for one in STAGES if one.name == stage).bundles(config)
        assert all(bundle["GPU"] > 0 for bundle in bundles), stage


def test_the_paper_s_preset_has_a_fingerprint_of_each_stage_but_the_one_that_reads_files(repository):
    config = load_config(str(repository / "configs" / "paper_7b.yaml"), ["evidence.judge=true"])
    assert all(stage.enabled(config) for stage in STAGES)
    for stage in STAGES[1:]:
        assert fingerprint_of(dict(stage.depends_on(config)))


def test_a_teacher_keeps_its_own_defaults_beside_what_is_set_and_never_sees_validation():
    tree = {"name": "x", "workspace": "w", "source": {"format": "movielens_100k"}}
    cf = Config.model_validate({**tree, "teacher": {"cf": {"dim": 32}}}).teacher.cf
    assert (cf.model, cf.dim, cf.epochs, cf.validation) == ("lightgcn", 32, 60, "none")
    with pytest.raises(ValidationError, match="none"):
        Config.model_validate({**tree, "teacher": {"cf": {"validation": "split"}}})


def test_a_file_extends_a_shipped_preset_section_by_section(load):
    config = load("extends: laptop\n" + GOOD + "cf: {patience: 3}\ntune: {methods: [rns]}\n")
    assert (config.cf.epochs, config.cf.patience) == (60, 3)
    assert config.tune.methods == ("rns",)


def test_a_file_extends_another_beside_it_and_takes_its_source_whole(load, tmp_path):
    (tmp_path / "base.yaml").write_text(
        "name: base\nworkspace: b\nsource: {format: ngcf, path: p}\ncf: {dim: 8}\n", encoding="utf-8"
    )
    config = load("extends: base.yaml\n" + GOOD)
    assert (config.name, config.source.format, config.cf.dim) == ("x", "movielens_100k", 8)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("x.yaml", "extends it again or too deep"),
        ("desktop", "there is no preset 'desktop' to extend: use laptop"),
        ("[a]", "name one preset"),
        ("absent.yaml", "absent.yaml does not exist"),
    ],
)
def test_what_can_not_be_extended_is_told(load, base, told):
    with pytest.raises(ConfigError, match=told):
        load(f"extends: {base}\n{GOOD}")


@pytest.mark.parametrize("path", ["a." * 2000 + "b", "llm.engine_kwargs." + "a." * 2000 + "b"])
def test_an_override_of_endless_levels_is_told_shortly(load, path):
    with pytest.raises(ConfigError, match="write it as path=value") as told:
        load(GOOD, f"{path}=1")
    assert len(str(told.value)) < 400


def test_a_key_without_end_is_told_shortly(load):
    with pytest.raises(ConfigError, match="unknown key") as told:
        load(GOOD + f"? {'k' * 100_000}\n: 1\n")
    assert len(str(told.value)) < 1000
