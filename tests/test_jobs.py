"""The scripts of jobs/: one for the pipeline and one a stage, thin, with the options of the command line."""

import subprocess
import sys

import pytest
import yaml

from hnlm_ray.cli.job import job_arguments
from hnlm_ray.pipeline.stages import STAGES

SCRIPTS = ["pipeline", *(stage.name for stage in STAGES)]


def test_there_is_one_thin_script_a_stage(repository):
    found = {path.stem: path for path in (repository / "jobs").glob("*.py") if path.stem != "__init__"}
    assert sorted(found) == sorted(SCRIPTS)
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 15 for path in found.values())


@pytest.mark.parametrize("name", ["pipeline", "item_profiles"])
def test_a_script_takes_the_options_of_the_command_line(repository, tmp_path, name):
    helped = call(repository / "jobs" / f"{name}.py", "--help")
    assert helped.returncode == 0
    assert "--workspace" in helped.stdout
    wrong = call(repository / "jobs" / f"{name}.py", "--config", str(tmp_path / "no"))
    assert wrong.returncode == 2
    assert "does not exist" in wrong.stderr


def call(script, *arguments):
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_names_its_own_stage(repository, name):
    text = (repository / "jobs" / f"{name}.py").read_text(encoding="utf-8")
    assert ("run_job()" if name == "pipeline" else f'run_job("{name}")') in text


def test_arguments():
    assert job_arguments(None, ["--config", "x"]) == ["run", "--config", "x"]
    assert job_arguments("trials", ["--config", "x"]) == ["stage", "trials", "--config", "x"]


def test_an_upload_leaves_out_what_is_large(repository):
    environment = yaml.safe_load((repository / "jobs" / "runtime_env.yaml").read_text(encoding="utf-8"))
    assert {".git", "runs"} <= set(environment["excludes"])
