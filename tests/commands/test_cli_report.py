"""`hnlm report`: at every moment of a run, its JSON, where the file lies, and when it is refused."""

import json

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.results.report import make_report
from hnlm_ray.config.loading import load_config
from hnlm_ray.workspace import Workspace

SECTIONS = ("summary", "data", "stages", "samples", "finetune", "curves", "comparison", "slices", "hardness",
            "recommendations", "configuration")  # fmt: skip
ALL = ["ingest", "user_profiles", "negatives", "comparison"]


@pytest.fixture
def call(small_pipeline, config_file):
    def call(*arguments, command=("report",)):
        return CliRunner().invoke(app, [*command, *arguments, "--config", str(config_file)])

    return call


def page(path):
    text = path.read_text(encoding="utf-8")
    assert [name for name in SECTIONS if f'<section id="{name}"' in text] == list(SECTIONS)
    return text


def test_before_anything_ran_each_section_says_what_makes_it(call, tmp_path):
    done = call()
    assert done.exit_code == 0, done.stderr
    file = tmp_path / "ws" / "report.html"
    assert done.stdout.startswith(f"report: {file} (")
    assert "no comparison in it yet: there are no results in" in done.stdout
    assert f"not made for this configuration: {', '.join(ALL)}" in done.stdout
    text = page(file)
    assert text.count("Not there yet.") > 5
    assert "hnlm stage prepare <bdi>--config" in text
    assert "There is no comparison yet" in text


def test_a_half_finished_run_tells_what_is_there(call, tmp_path):
    assert call("user_profiles", command=["stage"]).exit_code == 0
    answer = json.loads(call("--json").stdout)
    assert (answer["compared"], answer["fresh"], answer["not_there"]) == (False, False, ["negatives", "comparison"])
    text = page(tmp_path / "ws" / "report.html")
    assert r"likes \x1b[5mfilms" in text
    assert "hnlm stage semantic_negatives" in text


def test_a_run_writes_its_report_and_names_it(call, tmp_path):
    done = call(command=["run"])
    file = tmp_path / "ws" / "report.html"
    assert f"report: {file} (open it in a browser)" in done.stdout
    text = page(file)
    assert "mf-pool" in text
    assert json.loads(call("--json", command=["run"]).stdout)["report"] == str(file)
    again = json.loads(call("--json").stdout)
    assert again == {
        "file": str(file), "bytes": file.stat().st_size,
        "compared": True, "fresh": True, "reason": None, "not_there": [],
    }  # fmt: skip


def test_results_of_another_configuration_are_told_as_such(call, tmp_path):
    call(command=["run"])
    done = call("--set", "cf.epochs=7")
    assert "its results are not of the configuration given (comparison: cf.epochs: 100 -> 7)" in done.stdout
    text = page(tmp_path / "ws" / "report.html")
    assert "These results are not those of the configuration given" in text
    note = "This page is of the tables as they are; the configuration given differs: "
    assert f"{note}<bdi>comparison: cf.epochs: 100 -&gt; 7" in text
    assert call().exit_code == 0
    assert note not in page(tmp_path / "ws" / "report.html")


def test_tables_made_from_other_data_are_not_mixed_in(call, tmp_path):
    call(command=["run"])
    assert call("ingest", "--set", "seed=7", command=["stage"]).exit_code == 0
    done = call("--set", "seed=7")
    assert done.exit_code == 0
    assert "were made from other data than is there now" in done.stdout
    text = page(tmp_path / "ws" / "report.html")
    assert "Made from other data than is there now." in text
    assert "Aliens" not in text


def test_another_place_and_an_old_file_is_replaced_whole(call, tmp_path):
    (tmp_path / "mine.html").write_text("old")
    done = call("--out", str(tmp_path / "mine.html"))
    assert done.stdout.startswith(f"report: {tmp_path}/mine.html (")
    page(tmp_path / "mine.html")
    assert not (tmp_path / "ws" / "report.html").exists()
    assert not list(tmp_path.glob(".mine.html.*"))


@pytest.mark.parametrize(("out", "told"), [("none/r.html", "there is no folder"), (".", "is a folder")])
def test_a_place_that_can_t_be_written_is_one_sentence(call, tmp_path, out, told):
    done = call("--out", str(tmp_path / out))
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_workspace_that_is_no_local_folder_gets_its_report_too(small_pipeline, config_file, tmp_path):
    (tmp_path / "bucket").mkdir()
    store = SubTreeFileSystem(str(tmp_path / "bucket"), LocalFileSystem())
    answer = make_report(load_config(str(config_file)), Workspace("s3://bucket/run", store, "run"), "")
    assert answer["file"] == "s3://bucket/run/report.html"
    page(tmp_path / "bucket" / "run" / "report.html")
    assert [file.name for file in (tmp_path / "bucket" / "run").iterdir()] == ["report.html"]


def test_the_report_has_the_run_s_own_options_in_its_commands(call, tmp_path):
    call("--set", "cf.epochs=7")
    assert "--set cf.epochs=7" in page(tmp_path / "ws" / "report.html")


def test_help_shows_an_example():
    done = CliRunner().invoke(app, ["report", "--help"])
    assert "Example: hnlm report --config configs/demo.yaml --out report.html" in " ".join(done.output.split())
