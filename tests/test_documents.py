"""Every command in README and docs parses; every link and folder that they name is there."""

import itertools
import pkgutil
import re
import shlex

import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.config.controls import CONTROLS
from hnlm_ray.config.loading import load_cf_config, load_config
from hnlm_ray.finetune.evaluate.comparison import MEANINGS, METRICS
from hnlm_ray.finetune.export import DESCRIPTION_FILE, PARTS_FILE
from hnlm_ray.methods.known import METHODS, RunMethods
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.study.study_file import load_study

GROUPS = {"config", "models", "finetune", "export", "cf"}


def documents(repository):
    return [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text):
    for block in blocks(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def hnlm_commands(repository):
    for document in documents(repository):
        for words in commands(document.read_text(encoding="utf-8")):
            if words[0] == "hnlm":
                yield words[1:]


def test_own_data_takes_five_lines_that_load(repository, tmp_path):
    (yaml,) = blocks((repository / "README.md").read_text(encoding="utf-8"), "yaml")
    assert len(yaml.splitlines()) == 5
    (tmp_path / "mine.yaml").write_text(yaml, encoding="utf-8")
    assert load_config(str(tmp_path / "mine.yaml")).source.items.columns.text == ("description",)


def test_every_hnlm_command_parses(repository):
    found = list(hnlm_commands(repository))
    assert len(found) > 10
    for words in found:
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, words
        length = 2 if words[0] in GROUPS else 1
        known = CliRunner().invoke(app, [*words[:length], "--help"]).output
        assert all(word in known for word in words if word.startswith("--")), words


def test_every_set_option_and_preset_of_a_command_is_valid(repository):
    loaded = set()
    for words in hnlm_commands(repository):
        overrides = [value for option, value in itertools.pairwise(words) if option == "--set"]
        presets = [value for option, value in itertools.pairwise(words) if option == "--config"]
        own = (str(repository / preset) for preset in presets if preset.startswith("configs/"))
        if words[0] == "study":
            loaded |= {load_study(study).config.name for study in own}
        else:
            loaded |= {load_config(preset, overrides).name for preset in own}
    assert {"demo", "paper_7b", "claims"} <= loaded


def test_every_setting_of_a_training_alone_is_valid(repository):
    found = [words for words in hnlm_commands(repository) if words[:2] == ["cf", "train"]]
    assert len(found) > 3
    for words in found:
        named = dict(itertools.pairwise(words))
        given = {name: named[f"--{name}"] for name in ("model", "sampler", "loss") if f"--{name}" in named}
        load_cf_config(given, [value for option, value in itertools.pairwise(words) if option == "--set"])


def test_every_make_target_and_script_exists(repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for document in documents(repository):
        for words in commands(document.read_text(encoding="utf-8")):
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words
            for word in words:
                if word.startswith(("jobs/", "configs/", "benchmarks/")):
                    assert (repository / word).exists(), word


def test_the_yaml_of_the_readme_is_a_configuration(repository, tmp_path):
    block = blocks((repository / "README.md").read_text(encoding="utf-8"), "yaml")[0]
    path = tmp_path / "mine.yaml"
    path.write_text(block, encoding="utf-8")
    assert load_config(str(path)).source.format == "table"


def test_every_link_leads_somewhere(repository):
    for document in documents(repository):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), (document.name, target)


def folders(package):
    """Return the folders right below one that hold files of ours."""
    return {path.parent.name for path in package.glob("*/*") if path.is_file() and path.suffix != ".pyc"}


def test_every_folder_of_the_map_exists(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+/`(?:, `\w+/`)*) \|", text, re.MULTILINE)
    mapped = [folder for row in rows for folder in re.findall(r"(\w+)/", row)]
    assert sorted(mapped) == sorted(folders(repository / "hnlm_ray"))


def test_the_map_of_the_code_has_every_folder_and_says_what_it_is_in_a_line(repository):
    (code_map,) = blocks((repository / "docs" / "extending.md").read_text(encoding="utf-8"), "text")[:1]
    lines = [re.fullmatch(r"( *)(\w+)/ +(.*)", line).groups() for line in code_map.splitlines()]
    assert sorted(name for depth, name, _ in lines if not depth) == sorted(folders(repository / "hnlm_ray"))
    above = ""
    for depth, name, told in lines:
        above = above if depth else name
        assert (repository / "hnlm_ray" / above / (name if depth else "")).is_dir(), name
        assert 8 <= len(told.split()) <= 16, name


def prose(document):
    """Return a document's text; of the recipes without their code and the names of its files, which tests follow."""
    text = document.read_text(encoding="utf-8")
    if document.name == "extending.md":
        text = re.sub(r"^`[\w./]+`(.*)\n(.+\n)?\n(?=```)", r"\1\n\2\n", text, flags=re.MULTILINE)
        text = re.sub(r"^```(?:python|py|diff|yaml)\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return text


@pytest.mark.parametrize("chapter", ["A sampler", "An engine", "A stage", "A source"])
def test_the_code_of_a_recipe_is_as_all_other_code(recipe, repository, chapter):
    added = recipe(chapter).follow()
    (added.folder / "pyproject.toml").write_bytes((repository / "pyproject.toml").read_bytes())
    files = [path for path in added.blocks if path.endswith(".py")]
    added.python("-m", "ruff", "check", "--no-cache", *files)
    added.python("-m", "ruff", "format", "--no-cache", *files, "--check")


def named(repository, pattern):
    """Return what all documents name of a kind."""
    return {found for document in documents(repository) for found in re.findall(pattern, prose(document))}


def test_every_module_that_a_document_names_can_be_imported(repository):
    found = named(repository, r"hnlm_ray(?:\.[a-z]\w*)+(?:\.[A-Z]\w+)?")
    assert len(found) > 8
    for name in found:
        pkgutil.resolve_name(name)


def test_every_module_that_a_docstring_names_is_there(repository):
    texts = [path.read_text(encoding="utf-8") for path in (repository / "hnlm_ray").rglob("*.py")]
    found = {name for text in texts for name in re.findall(r":mod:`(hnlm_ray[\w.]*)`", text)}
    assert len(found) > 5
    places = [repository / name.replace(".", "/") for name in found]
    assert [str(place) for place in places if not (place.is_dir() or place.with_suffix(".py").is_file())] == []


def test_every_file_that_a_document_names_is_there(repository):
    found = named(repository, r"\b(?:hnlm_ray|tests|jobs|benchmarks)/[\w/.]*\w")
    assert len(found) > 60
    assert sorted(name for name in found if not (repository / name).exists()) == []
    tests = {path.name for path in (repository / "tests").rglob("*.py")}
    assert named(repository, r"\btest_\w+\.py") - tests == set()


def test_every_test_that_a_document_names_is_there(repository):
    found = named(repository, r"(tests/[\w/.]+)::(\w+)")
    assert len(found) > 20
    for path, name in found:
        assert f"def {name}(" in (repository / path).read_text(encoding="utf-8"), (path, name)


@pytest.mark.parametrize(
    "command",
    [
        "plan",
        "run",
        "stage",
        "status",
        "failures",
        "results",
        "report",
        "show",
        "doctor",
        "config",
        "models",
        "finetune",
        "export",
        "recommend",
        "cf",
        "study",
    ],
)
def test_every_command_is_described(repository, command):
    assert f"## hnlm {command}\n" in (repository / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_stage_and_table_and_method_stands_in_the_description_of_the_pipeline(repository):
    text = (repository / "docs" / "pipeline.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for stage in STAGES:
        assert all(f"`{table}`" in rows[stage.name] for table in stage.outputs), stage.name
    assert all(f"`{name}`" in text for name, method in METHODS.items() if method.family != "control")
    assert all(f"`_{word}`" in text for word in CONTROLS)


def test_every_method_stands_in_the_description_of_sweeps_with_what_it_searches(repository):
    text = (repository / "docs" / "sweeps.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name, method in METHODS.items():
        if method.family != "control":
            searched = ", ".join(f"`{parameter}`" for parameter in method.space) or "nothing"
            assert rows[name].endswith(f"| {searched} |"), name
    assert all(method.control_of in rows for method in METHODS.values() if method.control_of)


def test_the_yaml_of_the_description_of_sweeps_is_a_file_and_a_configuration(repository, tmp_path):
    file, changes = blocks((repository / "docs" / "sweeps.md").read_text(encoding="utf-8"), "yaml")
    (tmp_path / "mine.yaml").write_text(file, encoding="utf-8")
    (tmp_path / "run.yaml").write_text(
        f"name: x\nworkspace: w\nsource: {{format: movielens_100k}}\n{changes}", encoding="utf-8"
    )
    own = f"tune.spaces.mine={tmp_path / 'mine.yaml'}"
    tune = load_config(str(tmp_path / "run.yaml"), [own]).tune
    assert list(RunMethods.of(tune).compared) == [
        f"lightgcn-{name}" for name in ("rns", "dns", "softmax", "my_softmax")
    ]
    assert len(RunMethods.of(tune)["mine"].space) == 5


def test_every_row_of_the_evaluation_is_explained(repository):
    text = (repository / "docs" / "finetune.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in MEANINGS)
    assert all(f"`{metric}`" in text for metric in METRICS)


def test_the_files_of_an_export_are_described(repository):
    text = (repository / "docs" / "finetune.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in (PARTS_FILE, DESCRIPTION_FILE))


def test_each_defect_of_published_code_is_in_the_table_with_its_check(repository):
    text = (repository / "docs" / "testing.md").read_text(encoding="utf-8")
    code = (repository / "tests" / "test_known_defects.py").read_text(encoding="utf-8")
    checks = set(re.findall(r"Defect\((\w+), ", code)) | {"no_file_holds_a_secret"}
    assert len(checks) > 10
    assert all(f"`{check}`" in text for check in checks)
