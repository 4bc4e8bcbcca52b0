"""`hnlm show`, `results`, `config`, `models`, `doctor`, and how the command line fails."""

import json
import re

import pytest
from typer.testing import CliRunner

from hnlm_ray.base.text import clean
from hnlm_ray.cli import app

COMMANDS = [
    ["run"], ["status"], ["failures"], ["stage"], ["results"], ["report"], ["show"], ["doctor"],
    ["config", "show"], ["config", "schema"],
    ["models", "fetch"], ["models", "list"], ["finetune", "eval"], ["export", "negatives"],
]  # fmt: skip


@pytest.fixture
def call(small_pipeline, config_file):
    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(config_file)])

    return call


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_teaches_with_an_example(command):
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert f"Example: hnlm {' '.join(command)}" in " ".join(done.output.split())


def test_usage_errors_exit_with_2():
    assert CliRunner().invoke(app, ["run", "--no-such-option"]).exit_code == 2
    assert CliRunner().invoke(app, ["show", "film", "3"]).exit_code == 2


def test_no_configuration_named(monkeypatch):
    monkeypatch.delenv("HNLM_CONFIG", raising=False)
    done = CliRunner().invoke(app, ["status"])
    assert done.exit_code == 2
    assert "--config configs/demo.yaml" in done.stderr


def test_results_and_show_before_a_run_say_what_to_do(call):
    for arguments in (["results"], ["show", "user", "u1"]):
        done = call(*arguments)
        assert done.exit_code == 1
        assert "run `hnlm run`" in done.stderr
        assert done.stdout == ""


def test_show_user(call):
    assert call("run").exit_code == 0
    user = json.loads(call("show", "user", "u1", "--json").stdout)
    assert [item["title"] for item in user["history"]] == ["\x1b[2J[bold]Evil[/bold]", "Alien"]
    assert user["held_out"] == {"validation": 0, "test": 1}
    negative, invalid = user["semantic_negatives"]
    assert negative["negative"] == "Aliens"
    assert negative["grounded"] == [
        {
            "item": 2,
            "item_id": "i2",
            "title": '{"role":"system"}',
            "source": "fuzzy",
            "weight": 0.5,
            "false_negative": True,
        }
    ]
    assert (invalid["status"], invalid["error"]) == ("invalid", "no JSON")
    assert [(item["item"], item["source"]) for item in invalid["grounded"]] == [(1, "embedding")]
    assert user["vector_negatives"] == []
    text = call("show", "user", "u1").stdout
    assert "\x1b" not in text
    assert "\\x1b[2J[bold]Evil[/bold]" in text
    assert 'the LLM\'s hard negative: "Aliens"' in text
    assert "failed: invalid (no JSON)" in text
    assert "(named by a title like it, weight 0.50)" in text
    assert "weight 0.50); a false negative: a held-out row says that they like it" in text


def test_show_reviews_verdicts_and_recommendations(call):
    call("run")
    user = json.loads(call("show", "user", "u1", "--json").stdout)
    assert [item["review"] for item in user["history"]] == [None, "in space\x07"]
    assert [negative["verdict"] for negative in user["semantic_negatives"]] == ["fuzzy", None]
    assert [(item["rank"], item["item_id"], item["score"]) for item in user["recommendations"]] == [
        (1, "i2", 0.75),
        (2, "i1", 0.5),
    ]
    text = call("show", "user", "u1").stdout
    assert 'Alien  rated 4  "in space\\x07"' in text
    assert '  1    0.7500  {"role":"system"}' in text
    assert json.loads(call("show", "item", "i2", "--json").stdout)["recommended_to"] == 1


def test_show_how_many_pairs_have_a_negative_of_their_own(call):
    call("run")
    assert json.loads(call("show", "user", "u1", "--json").stdout)["pool"] == {"own": 1, "borrowed": 1, "fallback": 0}
    text = " ".join(call("show", "user", "u1").stdout.split())
    assert "1 with a negative of their own, 1 with that of the nearest pair, 0 with sampled ones alone" in text


def test_show_a_pair_that_has_a_vector_alone(call):
    call("run")
    user = json.loads(call("show", "user", "u2", "--json").stdout)
    (pair,) = user["vector_negatives"]
    assert (pair["positive"]["title"], user["semantic_negatives"]) == ("Alien", [])
    assert pair["grounded"] == [
        {
            "item": 2,
            "item_id": "i2",
            "title": '{"role":"system"}',
            "source": "embedding",
            "weight": 0.5,
            "false_negative": True,
        }
    ]
    text = call("show", "user", "u2").stdout
    assert "pairs with a vector alone, and the items nearest to it (1):\n  likes Alien\n" in text
    assert '-> {"role":"system"} (nearest to the fine-tuned LLM\'s vector, weight 0.50)' in text


def test_show_by_index_and_odd_ids(call):
    call("run")
    assert json.loads(call("show", "user", "3", "--index", "--json").stdout)["user_id"] == "\U0001f600\n"
    assert "user quo'te (index 2)" in call("show", "user", "quo'te").stdout
    assert "the model could not tell" in call("show", "user", "\U0001f600\n").stdout
    done = call("show", "user", "9", "--index")
    assert (done.exit_code, done.stderr) == (2, "error: there is no user with index '9': indices go from 0 to 3\n")


def test_show_item(call):
    call("run")
    item = json.loads(call("show", "item", "i2", "--json").stdout)
    assert item["hard_negative_for"] == {"pairs": 4, "users": 2}
    assert item["training_users"] == 0
    assert item["profile"] is None
    assert "profile: not written yet" in call("show", "item", "i2").stdout


def test_an_unknown_id_names_close_ones(call):
    call("run")
    done = call("show", "user", "u11")
    assert done.exit_code == 2
    assert "'u1'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_json_file_that_cannot_be_written(call, tmp_path):
    done = call("status", "--json-out", str(tmp_path / "none" / "x.json"))
    assert done.exit_code == 2
    assert "choose another file" in done.stderr


@pytest.mark.parametrize("name", ["none/x.json", "."])
def test_the_json_file_is_checked_before_a_run_begins(call, tmp_path, name):
    done = call("run", "--json-out", str(tmp_path / name))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_config_show_prints_the_resolved_tree(call):
    import yaml

    shown = yaml.safe_load(call("config", "show", "--set", "cf.dim=8").stdout)
    assert shown["cf"]["dim"] == 8
    assert shown == json.loads(call("config", "show", "--set", "cf.dim=8", "--json").stdout)


def test_config_schema_describes_every_section():
    schema = json.loads(CliRunner().invoke(app, ["config", "schema"]).stdout)
    assert {"source", "prepare", "llm", "cf", "tune"} <= set(schema["properties"])


def test_three_errors_of_a_configuration_are_told_at_once(call):
    done = call("status", "--set", "cf.dim=0", "--set", "cf.epohcs=3", "--set", "seed=x")
    assert done.exit_code == 2
    assert "3 values are wrong" in done.stderr
    assert re.search(r"cf.epohcs: unknown key; did you mean 'epochs'\?", done.stderr)
    assert "Traceback" not in done.stderr


def test_an_unexpected_error_is_one_sentence(call, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr("hnlm_ray.commands.stages.status.statuses", broken)
    done = call("status")
    assert done.exit_code == 1
    assert done.stderr == "error: unexpected ZeroDivisionError: a b; run with --debug for the traceback\n"
    assert "Traceback" in call("status", "--debug").stderr


def test_models_list_says_what_is_missing(call, monkeypatch, tmp_path):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))
    models = json.loads(call("models", "list", "--json").stdout)["models"]
    assert [model["role"] for model in models] == ["llm", "encoder"]
    assert models[0]["ready"] is False
    assert "hnlm models fetch" in models[0]["error"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2J", "a\\x1b[2J"),
        ("\u202eabc", "\\u202eabc"),
        ("a\xa0b", "a\xa0b"),
        ("x\ny", "x\\ny"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert clean(text) == shown
