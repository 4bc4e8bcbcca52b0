"""`hnlm failures` and `hnlm stage --retry`, as the command line shows them: small stages, no Ray."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.stages.failures import describe, show_failures
from hnlm_ray.config import Config
from hnlm_ray.pipeline import status
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.tune.run.board import LostTraining, LostTrainings
from hnlm_ray.workspace import ChunkedTable, Rows, Workspace
from hnlm_ray.workspace.stage import RETRIED, Outcome, chunks_of
from hnlm_ray.workspace.tables import TABLES


@pytest.fixture
def call(small_pipeline, config_file):
    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(config_file)])

    return call


@pytest.fixture
def finished(call):
    assert call("run").exit_code == 0
    return call


@pytest.fixture
def workspace(config_file, tmp_path):
    return Workspace.open(str(tmp_path / "ws"))


def by_name(done):
    assert done.exit_code == 0, done.stderr
    return {stage["name"]: stage for stage in json.loads(done.stdout)["stages"]}


def test_failed_rows_are_grouped_with_their_cost_and_examples_by_both_keys(finished):
    stages = by_name(finished("failures", "--json"))
    assert list(stages) == ["user_profiles", "negatives"]
    assert (stages["user_profiles"]["failed"], stages["user_profiles"]["groups"]) == (0, [])
    assert stages["user_profiles"]["retry"] is None
    assert stages["negatives"]["groups"] == [
        {
            "status": "invalid",
            "message": "no JSON",
            "rows": 1,
            "share": 0.5,
            "attempts": 1,
            "tokens": {"in": 10, "out": 5},
            "examples": [{"user": 0, "item": 1, "user_id": "u1", "item_id": "i1", "error": "no JSON"}],
        }
    ]


def test_the_text_ends_with_the_command_that_retries(finished, config_file):
    text = finished("failures").stdout
    assert "negatives (fresh): 1 of 2 rows failed (50.0%)" in text
    assert "1 (50.0%) invalid: no JSON; 1 attempts, tokens 10 in, 5 out" in text
    assert "user u1 (index 0), item i1 (index 1): no JSON" in text
    assert text.rstrip().endswith(f"hnlm stage negatives --retry failed --config {config_file}")


def test_where_no_row_failed_it_says_so(finished):
    done = finished("failures", "--stage", "user_profiles")
    assert done.exit_code == 0
    assert done.stdout.rstrip().endswith("no row failed: nothing to retry")


def test_before_a_run_there_are_no_rows(call):
    assert "negatives (missing): no rows yet" in call("failures").stdout


@pytest.mark.parametrize("command", [("failures", "--stage"), ("stage", "--retry", "failed")])
def test_a_stage_that_makes_no_row_by_itself_names_those_that_do(finished, command):
    for name in ("ingest", "nonsense"):
        done = finished(*command, name)
        assert done.exit_code == 2
        told = f"no stage '{name}' asks an LLM or trains row by row: choose one of user_profiles, negatives"
        assert told in done.stderr


def test_no_example_is_shown_where_none_is_wanted(finished):
    done = finished("failures", "--json", "--examples", "0")
    assert by_name(done)["negatives"]["groups"][0]["examples"] == []
    assert finished("failures", "--examples", "-1").exit_code == 2


def test_finished_chunks_of_an_unfinished_stage_are_read(call, workspace, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "user_profiles-2")
    assert call("run").exit_code == 1
    stage = by_name(call("failures", "--json"))["user_profiles"]
    assert (stage["state"], stage["rows"], stage["failed"]) == ("partial", 2, 0)


def test_ids_are_not_shown_of_data_that_was_made_anew(finished):
    assert finished("stage", "ingest", "--set", "seed=7").exit_code == 0
    example = by_name(finished("failures", "--json"))["negatives"]["groups"][0]["examples"][0]
    assert (example["user"], example["user_id"], example["item_id"]) == (0, None, None)


def test_a_stale_table_says_that_the_stage_comes_first(finished):
    done = finished("failures", "--set", "negatives.pairs_per_user=9")
    assert done.stdout.rstrip().endswith("# first `hnlm stage negatives`: it is stale")


def test_control_characters_and_secrets_of_a_message_are_not_shown(finished, workspace):
    store = workspace.table("semantic_negatives")
    manifest = store.manifest()
    table = store.read()
    place = table.schema.get_field_index("error")
    hostile = pa.array(["\x1b[2Jno api_key=s3cr3t"] * table.num_rows)
    bad = table.set_column(place, "error", hostile).set_column(
        table.schema.get_field_index("status"), "status", pa.array(["invalid"] * table.num_rows)
    )
    file = store.write_part(manifest.content, "part-0", bad.cast(TABLES["semantic_negatives"]))
    store.publish(manifest.model_copy(update={"files": (file,)}))
    done = finished("failures", "--json")
    assert "s3cr3t" not in done.stdout
    assert "\\u001b" not in done.stdout
    assert "\x1b" not in finished("failures").stdout


def test_trainings_that_failed_or_were_lost_are_listed_with_their_reasons(tmp_path):
    config = Config.model_validate(
        {"name": "x", "workspace": str(tmp_path), "source": {"format": "movielens_100k"}, "llm": {"engine": "scripted"}}
    )
    workspace, store = Workspace.open(str(tmp_path)), Workspace.open(str(tmp_path)).table("trials")
    settings = {"config": "{}", "epochs": 0, "best_epoch": 0, "seconds": 0.0, "cpu_seconds": 0.0, "started_epoch": 0}
    ends = [("ok", None), ("pruned", "ended by asha"), ("failed", "no text"), ("failed", "no text")]
    rows = [
        {"method": "mf-rns", "search": 0, "trial": n, "status": status, "error": error, **settings}
        for n, (status, error) in enumerate(ends)
    ]
    fingerprint, chunks = "a" * 64, chunks_of("a" * 64)
    for row in rows:
        store.write_part(chunks, f"mf-rns-0-{row['trial']}", pa.Table.from_pylist([row], schema=TABLES["trials"]))
    stage = find_stage("trials")
    standing = status.StageStatus(stage, fingerprint, {}, {}, "partial", "", None, 4, None, fingerprint, fingerprint)
    found = describe(standing, workspace, 1, "--config x")
    (group,) = found["groups"]
    assert (found["rows"], group["status"], group["message"], group["rows"]) == (4, "failed", "no text", 2)
    assert group["examples"] == [{"method": "mf-rns", "search": 0, "trial": 2, "error": "no text"}]
    assert found["retry"] == "hnlm stage trials --retry failed --config x"
    console = Console(file=io.StringIO(), width=160)
    show_failures(console, [found])
    assert "2 (50.0%) failed: no text\n      method mf-rns search 0 trial 2: no text" in console.file.getvalue()
    for row in rows[2:]:
        store.remove_part(chunks, f"mf-rns-0-{row['trial']}")
    lost = LostTraining(key={"method": "mf-rns", "search": 0, "trial": 3}, config=config.cf, reason="its process died")
    LostTrainings(trainings=(lost,)).write(ChunkedTable(store, chunks, fingerprint))
    found = describe(standing, workspace, 1, "--config x")
    assert [(group["status"], group["message"]) for group in found["groups"]] == [("lost", "its process died")]
    assert (found["rows"], found["failed"], found["retry"]) == (3, 1, "hnlm stage trials --config x")


def test_reading_failures_needs_no_ray():
    code = "import sys, hnlm_ray.commands.stages.failures; assert not {'ray', 'torch'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_retry_makes_the_table_anew_and_what_depends_on_it_stale(finished, workspace):
    before = workspace.table("semantic_negatives").manifest()
    done = finished("stage", "negatives", "--retry", "failed", "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["ran"], answer["retry"]) == (["negatives"], {"wanted": "failed", "failed": {"invalid": 1}})
    after = workspace.table("semantic_negatives").manifest()
    assert (after.fingerprint, before.revision) == (before.fingerprint, "")
    assert after.content == after.revision not in {"", before.content}
    states = {stage["name"]: (stage["state"], stage["reason"]) for stage in answer["stages"]}
    assert states["negatives"][0] == "fresh"
    assert states["comparison"] == ("stale", "input negative_pool changes")
    assert "made from other data than is there now (negative_pool)" in finished("results").stderr
    assert json.loads(finished("run", "--json").stdout)["ran"] == ["comparison"]
    assert json.loads(finished("results", "--json").stdout)["fresh"]


def test_each_retry_is_another_revision(finished, workspace):
    contents = set()
    for _ in range(3):
        assert finished("stage", "negatives", "--retry", "failed:invalid").exit_code == 0
        contents.add(workspace.table("negative_pool").manifest().content)
    assert len(contents) == 3


def test_where_nothing_failed_nothing_runs(finished, small_pipeline, tmp_path):
    (tmp_path / "calls.txt").unlink()
    done = finished("stage", "user_profiles", "--retry", "failed")
    assert (done.exit_code, done.stdout.strip()) == (0, "no row of user_profiles failed: nothing to retry")
    done = finished("stage", "negatives", "--retry", "failed:truncated", "--json")
    assert json.loads(done.stdout)["ran"] == []
    assert "no row of negatives ended as 'truncated': nothing to retry" in done.stderr
    assert not (tmp_path / "calls.txt").exists()


@pytest.mark.parametrize("wanted", ["failed:nonsense", "failed:ok", "failed:no_vector", "failed:", "ok", ""])
def test_an_unknown_status_lists_those_there_are(finished, wanted):
    done = finished("stage", "negatives", "--retry", wanted)
    assert done.exit_code == 2
    assert f"got '{wanted}': STATUS is one of {', '.join(RETRIED)}" in done.stderr


def test_a_stage_that_is_missing_or_stale_has_to_run_first(call):
    done = call("stage", "negatives", "--retry", "failed")
    assert done.exit_code == 1
    assert "stage ingest is missing (it has not run yet): run `hnlm stage negatives`" in done.stderr
    assert call("run").exit_code == 0
    done = call("stage", "negatives", "--retry", "failed", "--set", "negatives.pairs_per_user=9")
    assert done.exit_code == 1
    assert "stage negatives is stale (negatives.pairs_per_user: 3 -> 9)" in done.stderr


def test_a_retry_that_fails_leaves_the_table_and_status_says_what_goes_on(finished, workspace, monkeypatch):
    before = workspace.table("negative_pool").manifest()
    monkeypatch.setenv("FAKE_FAIL", "negatives!")
    done = finished("stage", "negatives", "--retry", "failed")
    assert done.exit_code == 1
    assert (
        "raise llm.start_timeout_s; table semantic_negatives stays as it was, the same command goes on" in done.stderr
    )
    assert workspace.table("negative_pool").manifest() == before
    found = {stage["name"]: stage for stage in json.loads(finished("status", "--json").stdout)["stages"]}
    assert {stage["state"] for stage in found.values()} == {"fresh"}
    assert "; a retry of failed rows failed: the engine gave no answer" in found["negatives"]["reason"]
    assert found["negatives"]["reason"].endswith("`hnlm stage negatives --retry failed` goes on")
    monkeypatch.delenv("FAKE_FAIL")
    assert finished("stage", "negatives", "--retry", "failed").exit_code == 0
    reason = json.loads(finished("status", "--json").stdout)["stages"][2]["reason"]
    assert reason == "its inputs and configuration are unchanged"


def test_a_retry_that_is_stopped_says_that_the_table_stays(finished, workspace, monkeypatch, small_pipeline):
    def stopped(_):
        raise KeyboardInterrupt

    before = workspace.table("negative_pool").manifest()
    stages = tuple(replace(one, run=stopped) if one.name == "negatives" else one for one in small_pipeline.STAGES)
    monkeypatch.setattr(status, "STAGES", stages)
    done = finished("stage", "negatives", "--retry", "failed:invalid")
    assert done.exit_code == 130
    told = "stopped; table semantic_negatives stays as it was, the same command goes on where the retry was"
    assert told in done.stderr
    assert workspace.table("negative_pool").manifest() == before
    reason = json.loads(finished("status", "--json").stdout)["stages"][2]["reason"]
    told = "a retry of failed rows was interrupted; `hnlm stage negatives --retry failed:invalid` goes on"
    assert reason.endswith(told)


def test_the_finished_part_of_a_running_retry_is_counted(finished, workspace, monkeypatch, small_pipeline):
    """The table stays readable, and is what `hnlm failures` reads, while its retry is at work."""
    seen = {}

    def slow(run):
        store = run.output("user_profiles")
        rows = store.read().slice(0, 2)
        store.write_part(chunks_of(run.fingerprint), "b00000-kept", rows)
        run.progress.start("user_profiles", 4, 2)
        seen["status"] = finished("status", "--json").stdout
        seen["failures"] = finished("failures", "--json").stdout
        store.write_part(run.fingerprint, "part-0", store.read())
        return Outcome(Rows(ok=4))

    store = workspace.table("user_profiles")
    manifest = store.manifest()
    store.publish(manifest.model_copy(update={"failed_by_reason": {"invalid": 2}}))
    stages = tuple(replace(one, run=slow) if one.name == "user_profiles" else one for one in small_pipeline.STAGES)
    monkeypatch.setattr(status, "STAGES", stages)
    assert finished("stage", "user_profiles", "--retry", "failed").exit_code == 0
    rows = json.loads(seen["status"])["stages"][1]
    assert (rows["state"], rows["rows"]["ok"]) == ("running", 2)
    assert json.loads(seen["failures"])["stages"][0]["rows"] == 4
