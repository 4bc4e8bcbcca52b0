"""Samplers and models of another package: what is imported, what is refused, and that they train."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from hnlm_ray.base.errors import ConfigError, InputError
from hnlm_ray.base.outside import PLUGINS, outside_class, runtime_environment, source_hash
from hnlm_ray.cf import SAMPLERS, Trainer, train
from hnlm_ray.cf.samplers import Sampler, sampler_class
from hnlm_ray.cf.training.settings_read import unread_settings
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.config.loading import load_cf_config, load_config

PACKAGE = "own_package_of_a_test"
PARTS = """
import torch
from hnlm_ray.cf import Batch, CandidateSampler, EmbeddingModel, Negatives, Sampler, UnobservedItems

VALUE = 3


class Second(CandidateSampler):
    @torch.no_grad()
    def sample(self, batch, embeddings):
        candidates, scores = self.draw(batch, embeddings)
        return Negatives(candidates.gather(1, scores.topk(2, 1).indices[:, 1:]).squeeze(1))


class Uniform(Sampler):
    reads = "nothing"
    for_sampled_softmax = True

    def __init__(self, inputs):
        self.unobserved, self.count = UnobservedItems(inputs.data, inputs.generator, inputs.device), inputs.count

    def sample(self, batch, embeddings):
        return Negatives(self.unobserved.draw(batch.users, self.count))


class Twice(EmbeddingModel):
    def forward(self):
        return 2 * self.table


class Silent(Sampler):
    pass


class Asks(Sampler):
    def __init__(self, inputs, more):
        self.more = more

    def sample(self, batch, embeddings):
        return Negatives(batch.items)


class Peeks(Uniform):
    reads = "test"


class Comma(Uniform):
    reads_settings = "candidates"


class Gives(Uniform):
    given = None

    def sample(self, batch, embeddings):
        return self.given(batch)


class Nothing(Gives):
    given = staticmethod(lambda batch: batch.items)


class Beyond(Gives):
    given = staticmethod(lambda batch: Negatives(batch.items + 1000))


class Below(Gives):
    given = staticmethod(lambda batch: Negatives(batch.items - 1000))


class Floats(Gives):
    given = staticmethod(lambda batch: Negatives(batch.items.float()))


class Few(Gives):
    given = staticmethod(lambda batch: Negatives(batch.items[:1]))


class Vectors(Gives):
    given = staticmethod(lambda batch: Negatives(batch.items, vector_rows=batch.items, mix=batch.items.float()))


class Layers(Gives):
    reads = "hops"
    given = staticmethod(lambda batch: Negatives(batch.items))


class Claims:
    plugs_in_as = "cf.sampler"


class Raises(Uniform):
    def sample(self, batch, embeddings):
        raise KeyError("mine")
"""
MARKED = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').write_text('')\n"
SMALL = {"model": "mf", "dim": 4, "batch_size": 50, "epochs": 2, "candidates": 4}


def write(folder, name, text, package=PACKAGE):
    place = folder / package
    place.mkdir(exist_ok=True)
    (place / "__init__.py").touch()
    (place / f"{name}.py").write_text(text, encoding="utf-8")
    return place / f"{name}.py"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A package of the user's own, on the path and allowed."""
    write(tmp_path, "parts", PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PLUGINS, f" elsewhere, {PACKAGE} ")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in {PACKAGE, f"{PACKAGE}2"}]:
        del sys.modules[name]


@pytest.fixture
def data(make_planted):
    return make_planted(users=20, items=30, per_user=6)


def named(name):
    return f"{PACKAGE}.parts:{name}"


def refused(value, setting="sampler"):
    """Return the sentence of a configuration's error, which is one line that names the place."""
    with pytest.raises(ConfigError) as error:
        load_cf_config({setting: value})
    head, line = str(error.value).splitlines()
    assert head == "the options: 1 value is wrong; mend it and run again:"
    assert line.startswith(f"  cf.{setting}: got ")
    return line


def test_a_sampler_of_one_s_own_trains_as_it_says(own, data):
    found = train(data, CFConfig(**SMALL, sampler=named("Second")), seed=1)
    other = train(data, CFConfig(**SMALL, sampler="dns"), seed=1)
    assert not torch.equal(found.item_embeddings, other.item_embeddings)
    guarded = train(data, CFConfig(**SMALL, sampler=named("Second"), guard=1, guard_features="cf"), seed=1)
    assert np.isfinite(guarded.item_embeddings.numpy()).all()


@pytest.mark.parametrize(("document", "name"), [("cf", "SecondHardest"), ("extending", "Rarest")])
def test_the_sampler_of_a_document_trains(own, data, repository, document, name):
    text = (repository / "docs" / f"{document}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    write(own, "shown", block)
    config = CFConfig(**SMALL, sampler=f"{PACKAGE}.shown:{name}")
    assert unread_settings(config, ["candidates"]) == {}
    found = [train(data, one, seed=1).item_embeddings for one in (config, CFConfig(**SMALL, sampler="rns"))]
    assert np.isfinite(found[0].numpy()).all()
    assert not torch.equal(*found)


def test_looking_at_what_a_sampler_gives_changes_no_draw(own, data):
    """What is drawn is that of the seed: the same class, by a name of ours, draws the same."""
    outside = train(data, CFConfig(**SMALL, sampler=named("Second")), seed=1)
    SAMPLERS["second"] = sampler_class(named("Second"))
    try:
        config = CFConfig(**SMALL).model_copy(update={"sampler": "second"})
        inside = train(data, config, seed=1)
    finally:
        del SAMPLERS["second"]
    assert torch.equal(outside.item_embeddings, inside.item_embeddings)


def test_a_sampler_of_one_s_own_serves_a_softmax_where_it_says_so(own, data):
    softmax = {**SMALL, "loss": "sampled_softmax", "softmax": {"negatives": 3}}
    assert np.isfinite(Trainer(data, CFConfig(**softmax, sampler=named("Uniform")), 0).run_epoch().loss)
    with pytest.raises(InputError, match=f"draws by rns, pns, in_batch, not '{named('Second')}'"):
        Trainer(data, CFConfig(**softmax, sampler=named("Second")), 0)


def test_what_a_class_of_one_s_own_reads_is_known(own, data):
    second, uniform = (CFConfig(**SMALL, sampler=named(name)) for name in ("Second", "Uniform"))
    assert unread_settings(second, ["candidates", "guard"]) == {}
    assert unread_settings(uniform, ["candidates"]).keys() == {"candidates"}
    with pytest.raises(InputError, match=r"cf\.guard 1\.0 guards the candidates of dns, .*not 'own_package"):
        Trainer(data, uniform.model_copy(update={"guard": 1.0}), 0)


def test_a_model_of_one_s_own_trains(own, data):
    config = CFConfig(**{**SMALL, "model": named("Twice")})
    assert np.isfinite(train(data, config, seed=1).validation["ndcg@20"])
    with pytest.raises(InputError, match=r"cf\.graph 0\.5 is part of lightgcn"):
        Trainer(data, config.model_copy(update={"graph": 0.5}), 0)


def test_a_state_goes_on(own, data):
    config = CFConfig(**SMALL, sampler=named("Second"))
    whole, begun = Trainer(data, config, 0), Trainer(data, config, 0)
    for _ in range(2):
        whole.run_epoch()
    begun.run_epoch()
    resumed = Trainer(data, config, 5)
    resumed.load_state_dict(begun.state_dict())
    resumed.run_epoch()
    assert torch.equal(resumed.scorer().item_embeddings, whole.scorer().item_embeddings)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Nothing", "gives Tensor; what reads 'nothing' gives Negatives or SharedNegatives"),
        ("Beyond", r"gives int64\[40\] from 10\d\d to 10\d\d for 40 pairs; give int64 indices from 0 to 29"),
        ("Below", r"gives int64\[40\] from -1000 to"),
        ("Floats", r"gives float32\[40\] from"),
        ("Few", r"gives int64\[1\] from"),
        ("Vectors", "gives vector_rows and there is no adapter"),
        ("Layers", "gives Negatives; what reads 'hops' gives HopNegatives"),
    ],
)
def test_negatives_that_no_training_can_use_are_one_sentence(own, data, name, told):
    with pytest.raises(InputError, match=rf"^cf\.sampler {named(name)} {told}") as error:
        Trainer(data, CFConfig(**SMALL, sampler=named(name)), 0)
    assert "\n" not in str(error.value)


def test_an_error_of_a_sampler_is_its_own(own, data):
    with pytest.raises(KeyError, match="mine"):
        Trainer(data, CFConfig(**SMALL, sampler=named("Raises")), 0)


# What is refused


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (named("Silent"), "does not define sample; see hnlm_ray.cf.Sampler"),
        (named("Asks"), "can't be built from its inputs alone (missing a required argument: 'more')"),
        (named("Peeks"), "reads 'test'; use one of nothing, final, hops"),
        (named("Comma"), "has reads_settings 'candidates'; give a tuple of names within cf"),
        (named("Twice"), "is no class that cf.sampler can name; derive it from hnlm_ray.cf.Sampler"),
        (named("Batch"), "is no class that cf.sampler can name"),
        (named("Claims"), "is no class that cf.sampler can name"),
        (named("VALUE"), "has no class 'VALUE'"),
        (named("Missing"), "has no class 'Missing'"),
        (f"{PACKAGE}.missing:Second", "No module named"),
        ("elsewhere:Second", "install its package, or add the folder that it lies in to PYTHONPATH"),
    ],
)
def test_a_class_that_is_no_sampler_is_one_sentence(own, value, told):
    assert told in refused(value)


def test_a_class_that_is_no_model_is_one_sentence(own):
    assert "is no class that cf.model can name; derive it from hnlm_ray.cf.EmbeddingModel" in refused(
        named("Second"), "model"
    )
    with pytest.raises(InputError, match=r"is no class that cf\.sampler can name"):
        outside_class(named("Twice"), Sampler)


@pytest.mark.parametrize(
    "value",
    [
        *("os:system", "subprocess:Popen", "builtins:eval", "hnlm_ray.cf.samplers.static:StaticSampler"),
        *(f"{PACKAGE}2.parts:Second", f"{PACKAGE[:-1]}:Second"),
    ],
)
def test_a_module_below_no_named_package_is_not_imported(own, value):
    place = write(own, "parts", MARKED + PARTS, f"{PACKAGE}2")
    assert f"is in none of the packages that {PLUGINS} names (elsewhere, {PACKAGE}), so it was not" in refused(value)
    assert not place.with_suffix(".ran").exists()
    assert f"{PACKAGE}2" not in sys.modules


def test_without_the_variable_nothing_is_imported(own, monkeypatch):
    place = write(own, "parts", MARKED + PARTS)
    for value in (None, "", " , "):
        monkeypatch.delenv(PLUGINS, raising=False)
        if value is not None:
            monkeypatch.setenv(PLUGINS, value)
        assert f"names (none), so it was not imported: where you trust its code, run with {PLUGINS}={PACKAGE}" in (
            refused(named("Second"))
        )
    assert not place.with_suffix(".ran").exists()


def test_the_variable_can_name_a_single_module(own, monkeypatch):
    write(own, "others", PARTS)
    monkeypatch.setenv(PLUGINS, f"{PACKAGE}.parts")
    assert CFConfig(sampler=named("Second")).sampler == named("Second")
    assert "is in none of the packages" in refused(f"{PACKAGE}.others:Second")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "a:b:c",
            ":Second",
            "parts:",
            "../parts:Second",
            "a/b:C",
            "a b:C",
            "a.:C",
            ".a:C",
            "a..b:C",
            "a:B\n",
            "a:B.c",
        ),
        *("a:" + "B" * 100_000 + "-", "ä:B", "a:__import__('os')"),
    ],
)
def test_a_name_that_is_none_is_one_sentence(own, value):
    line = refused(value)
    assert "is no module and class; write it as mypackage.module:MyClass" in line
    assert len(line) < 500


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise ValueError('two\\nlines')", "can't be imported (ValueError: two lines); mend it"),
        ("import sys; sys.exit(3)", "can't be imported (SystemExit: 3); mend it"),
        ("def", "can't be imported (SyntaxError: "),
        ("import not_there_at_all", "(ModuleNotFoundError: No module named 'not_there_at_all'); mend it"),
        ("raise RuntimeError('x' * 10_000)", "can't be imported (RuntimeError: xxx"),
    ],
)
def test_a_module_that_fails_is_one_sentence(own, text, told):
    write(own, "broken", text)
    line = refused(f"{PACKAGE}.broken:Second")
    assert told in line
    assert len(line) < 500


def test_a_wrong_name_of_ours_is_told_as_before():
    assert "input should be 'rns', 'pns'" in refused("nope")
    with pytest.raises(ValidationError, match="Input should be"):
        CFConfig(sampler=3)


# Configurations of runs, and what decides a training


def test_a_run_s_configuration_is_checked_before_anything_else(own, config_file):
    def with_method(**fixed):
        second = {"extends": "dns", "family": "classical", "reads": "nothing", **fixed}
        return load_config(str(config_file), [f"tune.spaces={json.dumps({'second': second})}"])

    assert with_method(fixed={"sampler": named("Second")}).tune.spaces["second"].fixed["sampler"] == named("Second")
    for place, given in (
        ("fixed", {"fixed": {"sampler": "os:system"}}),
        ("published", {"published": {"sampler": "os:system"}}),
        ("space", {"space": {"sampler": {"choice": ["dns", "os:system"]}}}),
        ("space", {"space": {"sampler": {"when": "loss", "is": {"bpr": {"choice": ["os:system"]}}}}}),
        ("model", {"model": "os:system"}),
    ):
        with pytest.raises(ConfigError, match=rf"tune\.spaces\.second\.{place}: got .*'os' is in none of the packages"):
            with_method(**given)
    for section in ("cf", "teacher.cf"):
        with pytest.raises(
            ConfigError, match=rf"{section}\.sampler: got 'subprocess:Popen'; module 'subprocess' is in"
        ):
            load_config(str(config_file), [f"{section}.sampler=subprocess:Popen"])


def test_the_schema_allows_both():
    schema = Config.model_json_schema()["$defs"]["CFConfig"]["properties"]
    for setting in ("sampler", "model"):
        ours, other = schema[setting]["anyOf"]
        assert CFConfig.model_fields[setting].default in ours["enum"]
        assert other["pattern"].endswith("$")


def test_it_is_written_without_a_warning(own, recwarn):
    config = CFConfig(sampler=named("Second"), model=named("Twice"))
    assert CFConfig.model_validate_json(config.model_dump_json()) == config
    assert config.model_dump(mode="json")["sampler"] == named("Second")
    assert not recwarn.list


def test_the_hash_is_that_of_the_source_and_of_its_own_bases(own):
    write(own, "derived", f"from {PACKAGE}.parts import Second\n\n\nclass Third(Second):\n    pass\n")
    third, second = (source_hash(name) for name in (f"{PACKAGE}.derived:Third", named("Second")))
    assert len({third, second}) == 2
    assert second == source_hash(named("Uniform"))
    with (own / PACKAGE / "parts.py").open("a") as stream:
        stream.write("# more\n")
    assert source_hash(named("Second")) != second
    assert source_hash(f"{PACKAGE}.derived:Third") != third


def test_workers_of_a_cluster_get_the_package_that_is_used(own, monkeypatch):
    assert runtime_environment() == {}
    CFConfig(sampler=named("Second"))
    assert runtime_environment() == {
        "env_vars": {PLUGINS: os.environ[PLUGINS]},
        "py_modules": [str(own / PACKAGE)],
    }
    monkeypatch.delenv(PLUGINS)
    assert runtime_environment() == {}


def test_a_single_file_is_brought_whole(own, monkeypatch):
    (own / f"{PACKAGE}2.py").write_text(PARTS, encoding="utf-8")
    monkeypatch.setenv(PLUGINS, f"{PACKAGE}2")
    CFConfig(sampler=f"{PACKAGE}2:Second")
    assert runtime_environment()["py_modules"] == [str(own / f"{PACKAGE}2.py")]


# The command


@pytest.fixture
def folder(tmp_path):
    place, draw = tmp_path / "data", np.random.default_rng(0)
    place.mkdir()
    rows = [[user, *draw.choice(40, 10, replace=False)] for user in range(30)]
    for name, part in (("train", slice(1, 9)), ("test", slice(9, None))):
        text = "".join(" ".join(map(str, [row[0], *row[part]])) + "\n" for row in rows)
        (place / f"{name}.txt").write_text(text)
    return place


def hnlm(own, *arguments, plugins=PACKAGE):
    command = [sys.executable, "-c", "from hnlm_ray.cli import main; import sys; main(sys.argv[1:])", *arguments]
    path = os.pathsep.join(filter(None, [str(own), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, PLUGINS: plugins}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_command_trains_with_it_and_does_not_go_on_with_other_code(own, folder):
    settings = ("--set", "cf.dim=4", "--set", "cf.epochs=1", "--threads", "1", "--out", str(own / "out"))
    command = ("cf", "train", "--data", str(folder), "--sampler", named("Second"), *settings)
    done = hnlm(own, *command, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sampler"] == named("Second")
    with (own / PACKAGE / "parts.py").open("a") as stream:
        stream.write("# more\n")
    again = hnlm(own, *command, "--resume")
    assert again.returncode == 2
    assert f"has code of {named('Second')} " in again.stderr
    refusal = hnlm(own, *command, "--resume", plugins="")
    assert refusal.returncode == 2
    assert refusal.stderr.startswith("error: the options: 1 value is wrong; mend it and run again:\n  cf.sampler: got ")
    assert len(refusal.stderr.splitlines()) == 2


def test_the_example_of_the_document_trains(own, data, repository):
    (example,) = re.findall(r"```py\n(.*?)```", (repository / "docs" / "cf.md").read_text(encoding="utf-8"), re.DOTALL)
    write(own, "samplers", example)
    config = CFConfig(**SMALL, sampler=f"{PACKAGE}.samplers:SecondHardest")
    found, second = (train(data, one, seed=1) for one in (config, CFConfig(**SMALL, sampler=named("Second"))))
    assert torch.equal(found.item_embeddings, second.item_embeddings)
