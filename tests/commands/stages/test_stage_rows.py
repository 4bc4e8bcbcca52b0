"""`hnlm status` in the middle of every stage that resumes, and what is offered next."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from hnlm_ray.commands.stages.narration import asks_for_nobody, next_commands
from hnlm_ray.commands.stages.stage_rows import show_status, stage_row
from hnlm_ray.config import Config
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import StageStatus, find_stage, statuses
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.stage import chunks_of
from hnlm_ray.workspace.tables import TABLES

FINGERPRINT = "a" * 64


def value(kind, name):
    """Return a value of a column that may not be null."""
    if name == "status":
        return "ok"
    return "x" if pa.types.is_string(kind) else kind.to_pandas_dtype()(1) if pa.types.is_primitive(kind) else []


def row(table, **values):
    blank = {one.name: None if one.nullable else value(one.type, one.name) for one in TABLES[table]}
    return pa.Table.from_pylist([{**blank, **values}], schema=TABLES[table])


def in_the_middle(stage, workspace, *rows):
    store = workspace.table(stage.outputs[0])
    for number, one in enumerate(rows):
        store.write_part(chunks_of(FINGERPRINT), f"b00000-{number}", one)
    return StageStatus(
        stage, FINGERPRINT, {}, {}, "running", "at work", None, len(rows), None, FINGERPRINT, FINGERPRINT
    )


@pytest.mark.parametrize("name", [stage.name for stage in STAGES if stage.resumes])
def test_status_in_the_middle_of_a_stage_counts_what_is_done(name, tmp_path):
    stage, workspace = find_stage(name), Workspace.open(str(tmp_path))
    standing = in_the_middle(stage, workspace, *[row(stage.outputs[0])] * 2)
    found = stage_row(standing, workspace)
    assert found["rows"] == {"ok": 2, "none": 0, "failed": 0, "todo": None}
    assert found["tokens"]["in"] == (2 if stage.asks_llm else 0)
    console = Console(file=io.StringIO(), width=160)
    show_status(console, "ws", [found])
    assert "2 ok" in console.file.getvalue()


@pytest.mark.parametrize("name", ["trials", "results"])
def test_trainings_that_were_ended_early_are_done_and_others_have_failed(name, tmp_path):
    workspace = Workspace.open(str(tmp_path))
    rows = [row(name, status=status) for status in ("ok", "pruned", "diverged", "failed")]
    found = stage_row(in_the_middle(find_stage(name), workspace, *rows), workspace)
    assert found["rows"] == {"ok": 2, "none": 0, "failed": 2, "todo": None}
    assert found["failed_by_reason"] == {"diverged": 1, "failed": 1}


def small(tmp_path, **changes):
    (tmp_path / "rows.csv").write_text("user,item\na,b\n")
    table = {"path": str(tmp_path / "rows.csv"), "columns": {"user": "user", "item": "item"}}
    source = {"format": "table", "interactions": table}
    tree = {"name": "x", "workspace": str(tmp_path / "ws"), "source": source, "llm": {"engine": "scripted"}}
    return Config.model_validate({**tree, **changes})


def publish(workspace, *tables):
    for table in tables:
        file = workspace.table(table).write_part(FINGERPRINT, "part-0", TABLES[table].empty_table())
        workspace.table(table).publish(Manifest(table=table, stage="x", fingerprint=FINGERPRINT, files=(file,)))


def offered(config):
    return dict(next_commands(config, Workspace.open(config.workspace)))


def test_what_is_next_is_what_can_be_done(tmp_path):
    config = small(tmp_path, stages="needed", tune={"methods": ["rns"]})
    workspace = Workspace.open(config.workspace)
    publish(workspace, "raw_interactions", "raw_items")
    assert list(offered(config)) == ["run {options}", "status {options}"]
    assert offered(config)["run {options}"] == "what is to do: ingest, prepare, trials and 1 more"
    publish(workspace, "users", "items", "interactions")
    assert offered(config)["show user 0 --index {options}"] == "a user's history"
    assert "results {options} --json" not in offered(config)
    publish(workspace, "trials", "results", "user_profiles")
    assert list(offered(config))[1:] == [
        *("results {options} --json", "show user 0 --index {options}", "recommend {options}", "status {options}")
    ]
    assert offered(config)["show user 0 --index {options}"] == "a user's history, profile"
    assert offered(config)["recommend {options}"] == "makes the lists of all users"
    publish(workspace, "recommendations")
    assert "--history" in offered(config)["recommend {options}"]


def test_lists_are_not_offered_where_no_method_can_make_them(tmp_path):
    config = small(tmp_path, stages="needed", tune={"methods": ["ease"]})
    publish(Workspace.open(config.workspace), "trials", "results")
    assert "recommend {options}" not in offered(config)


@pytest.mark.parametrize(("methods", "told"), [(["rns", "ease"], True), (["rns", "pool"], False)])
def test_that_an_llm_is_asked_for_nobody_is_told(tmp_path, methods, told):
    config = small(tmp_path, tune={"methods": methods})
    assert asks_for_nobody(config, statuses(config, Workspace.open(config.workspace))) == told
    needed = config.model_copy(update={"stages": "needed"})
    assert not asks_for_nobody(needed, statuses(needed, Workspace.open(needed.workspace)))


def test_the_lists_can_be_asked_for_where_a_run_ends_with_the_comparison(tmp_path):
    config = small(tmp_path, stages="needed", tune={"methods": ["rns"]})
    workspace = Workspace.open(config.workspace)
    compared = ["ingest", "prepare", "trials", "results"]
    assert [one.stage.name for one in statuses(config, workspace)] == compared
    asked = statuses(config, workspace, asked=find_stage("recommendations"))
    assert [one.stage.name for one in asked] == [*compared, "final_model", "recommendations"]
    model = statuses(config, workspace, asked=find_stage("final_model"))
    assert [one.stage.name for one in model] == [*compared, "final_model"]
    assert "finetune_eval" not in [one.stage.name for one in asked]
