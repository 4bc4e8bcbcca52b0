"""Configuration from anyone: damaged presets, YAML that multiplies, `extends` that goes round, any --set."""

import os
from importlib.resources import files

import pytest
import yaml
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.base.text import redacted, redacted_tree
from hnlm_ray.config import Config
from hnlm_ray.config.loading import load_config
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.search.suggest import Suggestions
from hnlm_ray.workspace import Workspace

SHORT = b"""name: mine
workspace: runs/mine
extends: laptop
source: {format: table, interactions: {path: e.csv, columns: {user: u, timestamp: t}}}
prepare: {min_rating: 4.0, since: 2015-01-01, split: {method: random, validation: 0.1}}
llm: &llm {engine: scripted, engine_kwargs: {a: 1, b: two}}
tune:
  methods: [rns, dns]
  cutoffs: [10, 20]
  spaces: {dns: {fixed: {dim: 8}, space: {lr: {log_uniform: [0.001, 0.1]}, reg: null}}, mine: {extends: dns}}
"""
SPACE = b"""# mine
extends: _mixed
family: classical
reads: nothing
models: [mf, lightgcn]
fixed: {sampler: pool}
published: {alpha: 0.1}
space: {dim: {when: base_sampler, is: {rns: {int: [4, 8]}}}, candidates: null, margin: {choice: [0.1, 1]}}
"""
PLACES = ["s3://[", "s3://", "file://x/y", "gs:///", "a://b", "~\0", "/" * 5000]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=30)
PATHS = st.one_of(
    st.sampled_from(
        [
            *("seed", "cf.dim", "llm", "llm.engine_kwargs.x", "source", "source.path", "tune.methods", "name", ""),
            *("tune.spaces", "tune.spaces.dns", "tune.spaces.dns.space.lr.choice"),
        ]
    ),
    ANY_TEXT,
    st.integers(1, 5000).map(lambda deep: "a." * deep + "b"),
    st.integers(1, 5000).map(lambda deep: "llm.engine_kwargs." + "a." * deep + "b"),
)
VALUES = st.one_of(
    ANY_TEXT,
    st.sampled_from(
        ["1e999", ".nan", "-.inf", "9" * 400, "[" * 3000, "{a: &a [*a]}", "&a [*a]", "!!int x", "2015-13-45", "~"]
    ),
)


def load(folder, text, overrides=(), workspace=None):
    path = folder / "c.yaml"
    path.write_bytes(text)

    def loaded():
        config = load_config(str(path), overrides, workspace)
        yaml.safe_dump(redacted_tree(config.model_dump(mode="json")), allow_unicode=True)
        Workspace.open(config.workspace)
        return config

    return bounded("configuration", loaded)


@cases(500)
@given(found=damages)
def test_a_damaged_preset_is_refused_or_loaded(tmp_path, found):
    assert isinstance(load(tmp_path, damaged(SHORT, found)), Config | Exception)


@cases(400)
@given(found=damages)
def test_a_damaged_search_space_is_refused_or_searched(tmp_path, found):
    (tmp_path / "space.yaml").write_bytes(damaged(SPACE, found))
    (tmp_path / "run.yaml").write_text(
        "name: a\nworkspace: b\nsource: {format: movielens_100k}\n"
        f"tune: {{methods: [rns, mine], spaces: {{mine: {tmp_path / 'space.yaml'}}}}}\n",
        encoding="utf-8",
    )

    def searched():
        config = load_config(str(tmp_path / "run.yaml"))
        for compared in RunMethods.of(config.tune).compared.values():
            search = Suggestions(compared.method.name, config.cf, compared.model, config.tune, 1)
            [search.suggest(trial) for trial in range(3)]

    bounded("search space", searched)


@pytest.mark.parametrize("name", ["laptop"])
@cases(40)
@given(found=damages)
def test_a_damaged_shipped_preset_is_refused_or_loaded(tmp_path, name, found):
    load(tmp_path, damaged((files("hnlm_ray") / "presets" / f"{name}.yaml").read_bytes(), found))


@cases(400)
@given(sets=st.lists(st.tuples(PATHS, st.sampled_from(["=", "", "=="]), VALUES), min_size=1, max_size=3))
def test_any_override_is_refused_or_taken(tmp_path, sets):
    load(tmp_path, b"name: a\nworkspace: b\nsource: {format: movielens_100k}\n", ["".join(one) for one in sets])


@cases(150)
@given(
    workspace=st.one_of(
        ANY_TEXT, st.sampled_from(["s3://[", "s3://", "file://x/y", "gs:///", "a://b", "~\0", "/" * 5000])
    )
)
def test_any_workspace_is_refused_or_taken(tmp_path, workspace):
    load(tmp_path, b"name: a\nworkspace: b\nsource: {format: movielens_100k}\n", workspace=workspace)


@cases(300)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=3000))
def test_any_text_is_redacted_in_time(text):
    bounded("redaction", redacted, text * 20)


LONG = 2**18 - 10
HOSTILE = {
    "a list of a hundred thousand": "a: [" + "b," * (LONG // 2 - 10) + "]",
    "a block list": "- a\n" * (LONG // 4),
    "keys": "".join(f"{number}:\n" for number in range(LONG // 8)),
    "base 60": "a: 1" + ":59" * (LONG // 3 - 2),
    "digits": "a: " + "9" * LONG,
    "laughs": "a: &a [x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)),
    "merged laughs": "a: &a {x: 1}\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}\n" for n in range(20)),
    "an alias of itself": "a: &a [*a]",
    "flow nests": "a: " + "[" * LONG,
    "flow maps": "a: " + "{" * LONG,
    "block nests": "- " * (LONG // 2),
    "questions": "? " * (LONG // 2),
    "comments": "#\n" * (LONG // 2),
    "quotes": 'a: "' + "\\x41" * (LONG // 4 - 3) + '"',
    "folded": "a: >\n" + "  b\n\n" * (LONG // 5 - 3),
    "anchors": "a: " + "&a " * (LONG // 3 - 2),
    "tags": "a: " + "!!str " * (LONG // 6 - 2),
    "objects": "a: !!python/object/apply:os.system [id]",
    "half a character": 'name: "\\ud800"\nworkspace: "\\udfff"\n"\\ud800": 1\nsource: {"\\ud800": {format: 1}}',
    "NUL": 'extends: "a\\0.yaml"\nname: "\\0"',
    "a folder": "extends: ../.yaml",
    "itself": "extends: c.yaml",
    "itself by another way": "extends: ./././c.yaml",
    "a device": "extends: /dev/zero.yaml",
    "a list": "extends: [laptop]",
    "too long a name": "extends: " + "x" * 5000 + ".yaml",
    "no text": "extends: ''",
    "numbers as keys": "1: 2\n~: 3\n[a]: 4\n2015-01-01: 5\nname: a",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_in_bounds(tmp_path, text):
    assert isinstance(load(tmp_path, text.encode()), ConfigError)


def test_presets_that_extend_each_other_are_refused(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {(number + 1) % 9}.yaml\n", encoding="utf-8")
    assert isinstance(load(tmp_path, b"extends: 0.yaml"), ConfigError)
    os.symlink(tmp_path / "c.yaml", tmp_path / "s.yaml")
    assert isinstance(load(tmp_path, b"extends: s.yaml"), ConfigError)
