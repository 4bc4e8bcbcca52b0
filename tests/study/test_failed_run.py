"""A run that fails stops no other run of a study, and the answer says which failed and why."""

import json

import pytest
from small_run import write_split

from hnlm_ray.base.errors import InputError, ResourceError, StageError
from hnlm_ray.commands.invocation import Invocation
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.results.study import StudyCommand
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.study.study_file import load_study
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.session import Session


def study_command(tmp_path, **changes):
    write_split(tmp_path / "data", test_seed=1)
    source = {"source": {"format": "ngcf", "path": str(tmp_path / "data")}, "prepare": {"split": {"method": "given"}}}
    study = {
        "name": "x", "workspace": str(tmp_path / "study"), "base": source, "methods": ["rns"],
        "datasets": [{"name": "a"}, {"name": "b"}], "claims": ["semantic"],
    } | changes  # fmt: skip
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    return StudyCommand(load_study(str(tmp_path / "study.yaml")), Output(as_json=True), Invocation())


@pytest.fixture
def command(tmp_path):
    return study_command(tmp_path)


def test_the_others_are_run_and_the_answer_is_written_without_it(command, tmp_path, monkeypatch, capsys):
    begun = []

    def run(execution):
        begun.append(execution.config.name)
        if execution.config.name == "a-main":
            raise StageError("the disk of s3://key:secret@bucket is full")

    monkeypatch.setattr(Execution, "run", run)
    with pytest.raises(
        StageError, match=r"1 of 2 runs failed; a/main: the disk of .* is full; the same command goes on"
    ):
        command.run([])
    assert begun == ["a-main", "b-main"]
    answer = json.loads(capsys.readouterr().out)
    assert [(one["dataset"], one["state"]) for one in answer["unfinished"]] == [("a", "failed"), ("b", "not run")]
    assert answer["claims"][0]["verdict"] == "not tested"
    assert json.loads((tmp_path / "study" / "study.json").read_text())["unfinished"] == answer["unfinished"]
    assert not any("secret@" in path.read_text() for path in (tmp_path / "study").glob("*.*"))


def test_one_study_at_a_time_works_in_a_folder(command, tmp_path, monkeypatch):
    monkeypatch.setattr(Execution, "run", lambda execution: pytest.fail(execution.config.name))
    with Session(Workspace.open(str(tmp_path / "study"))), pytest.raises(ResourceError, match="is in use by process"):
        command.run([])


def test_what_a_later_run_could_not_start_with_is_told_before_the_first_one_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(Execution, "run", lambda execution: pytest.fail(execution.config.name))
    no_choice = {"name": "b", "set": {"tune": {"search": "tpe"}}}
    with pytest.raises(InputError, match="it would choose none of the 8 trials"):
        study_command(tmp_path, datasets=[{"name": "a"}, no_choice]).run([])
    assert not (tmp_path / "study").exists()
