"""Tables that a later run made anew are never mixed with those made from the old ones."""

import json

import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app


@pytest.fixture
def call(small_pipeline, config_file):
    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(config_file)])

    assert call("run").exit_code == 0
    return call


def test_results_of_the_configuration_given_are_fresh(call):
    done = call("results", "--json")
    answer = json.loads(done.stdout)
    assert (answer["fresh"], answer["reason"], done.stderr) == (True, None, "")


def test_results_of_another_configuration_say_so(call):
    done = call("results", "--json", "--set", "cf.epochs=80")
    answer = json.loads(done.stdout)
    assert (answer["fresh"], answer["reason"]) == (False, "comparison: cf.epochs: 100 -> 80")
    assert done.stderr.startswith("note: these results are not of the configuration given (comparison: cf.epochs: ")
    upstream = json.loads(call("results", "--json", "--set", "negatives.pairs_per_user=9").stdout)
    assert upstream["reason"] == "negatives: negatives.pairs_per_user: 3 -> 9"


def test_results_are_refused_once_what_they_were_made_from_is_made_anew(call):
    assert call("stage", "negatives", "--set", "negatives.pairs_per_user=9").exit_code == 0
    done = call("results")
    assert done.exit_code == 1
    assert "made from other data than is there now (negative_pool): run `hnlm run`" in done.stderr
    assert done.stdout == ""


def test_results_can_be_read_without_the_source(call, small_pipeline, monkeypatch):
    from dataclasses import replace

    from hnlm_ray.base.errors import SourceError
    from hnlm_ray.pipeline import status

    def gone(_):
        raise SourceError("there is no file x.csv")

    stages = small_pipeline.STAGES
    monkeypatch.setattr(status, "STAGES", (replace(stages[0], depends_on=gone), *stages[1:]))
    answer = json.loads(call("results", "--json").stdout)
    assert (answer["fresh"], answer["reason"]) == (False, "can't be told: there is no file x.csv")


def test_show_leaves_out_what_was_made_from_other_data(call):
    assert json.loads(call("show", "user", "u1", "--json").stdout)["left_out"] == []
    assert call("stage", "ingest", "--set", "seed=7").exit_code == 0
    user = json.loads(call("show", "user", "u1", "--json").stdout)
    assert (user["profile"], user["semantic_negatives"]) == (None, [])
    assert user["left_out"] == ["user_profiles", "semantic_negatives", "negative_pool", "recommendations"]
    assert len(user["history"]) == 2
    text = call("show", "user", "u1").stdout
    assert "profile: made from other data" in text
    assert "left out, because made from other data: user_profiles, " in text
    item = json.loads(call("show", "item", "i2", "--json").stdout)
    assert (item["hard_negative_for"], item["left_out"]) == (
        {"pairs": 0, "users": 0},
        ["negative_pool", "recommendations"],
    )


def test_show_refuses_users_and_items_of_two_preparations(call, tmp_path):
    manifest = tmp_path / "ws" / "tables" / "users" / "manifest.json"
    old = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**old, "fingerprint": "f" * 64}), encoding="utf-8")
    done = call("show", "user", "u1")
    assert done.exit_code == 1
    assert "made from other data than is there now: run `hnlm run`" in done.stderr
