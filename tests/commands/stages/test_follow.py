"""`hnlm status --follow` shows a sweep from the files of its workspace alone."""

import json
import os
import time

import psutil
import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.stages import follow
from hnlm_ray.config import CFConfig
from hnlm_ray.tune.job import Ending, Job
from hnlm_ray.tune.run.board import Board, SweepState, board_path
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.session import Beat, StageJournal, journal_path


def job(method, trial):
    return Job({"method": method, "trial": trial}, CFConfig(), "nothing", 1, reads_test=False)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(str(tmp_path / "ws"))


def at_work(workspace, stage="trials", fingerprint="f", total=9, done=4):
    me = psutil.Process(os.getpid())
    beat = Beat(host=os.uname().nodename, pid=me.pid, process_started=me.create_time(), beat=time.time(), stage=stage)
    workspace.write_json("session.json", beat)
    workspace.write_json(journal_path(stage), StageJournal(fingerprint=fingerprint, seconds=75, total=total, done=done))


def board(workspace, notes=None):
    state = SweepState(fingerprint="f", metric="ndcg@20", total=9)
    return Board(workspace, "trials", state, (notes if notes is not None else []).append)


def sweep(workspace):
    """Write the files of a sweep that is half done."""
    made = board(workspace)
    made.count(job("mf-rns", 0), Ending("ok", 0.10, 2.0))
    made.begin(1)
    for trial, (status, value) in enumerate([("ok", 0.12), ("pruned", 0.15), ("diverged", None)]):
        made.start(job("mf-dns", trial))
        made.end(job("mf-dns", trial), Ending(status, value, 2.0), trial + 2, 8 - trial)
    made.start(job("mf-rns", 1))
    made.write(now=True)
    at_work(workspace)


def test_a_sweep_is_shown_with_what_runs_how_trials_ended_and_the_best_of_each_method(workspace):
    sweep(workspace)
    first, running, *best = follow.lines_of(follow.look(workspace))
    assert first.startswith("trials: 4/9 done, 1 running, 1 diverged, 1 pruned, best mf-dns-1 ndcg@20 0.1500, about ")
    assert running.split() == ["mf-rns-1", "running", "for", "0.0", "s"]
    assert [line.split()[0] for line in best] == ["mf-dns", "mf-rns"]
    assert best[0].endswith("best ndcg@20 0.1500 (mf-dns-1)")


def test_json_has_a_line_a_look_and_ends_with_the_run(workspace, config_file, monkeypatch):
    sweep(workspace)
    looks = iter(range(2))

    def end_after_two(_seconds):
        if next(looks) == 1:
            workspace.delete("session.json")

    monkeypatch.setattr(follow.time, "sleep", end_after_two)
    out = config_file.parent / "last.json"
    command = ["status", "--follow", "--json", "--json-out", str(out), "--config", str(config_file)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [look["stage"] for look in seen] == ["trials", "trials", None]
    assert seen[0]["sweep"]["ended"] == {"ok": 2, "pruned": 1, "diverged": 1}
    assert seen[0]["sweep"]["best"]["mf-dns"] == {"training": "mf-dns-1", "value": 0.15}
    assert json.loads(out.read_text())["at_work"] is False


def test_where_nothing_runs_it_says_so_and_ends(workspace, config_file):
    done = CliRunner().invoke(app, ["status", "--follow", "--config", str(config_file)])
    assert (done.exit_code, done.output.strip()) == (0, "no run is at work here")


def test_other_stages_are_counted_and_a_board_of_other_work_is_not_shown(workspace):
    sweep(workspace)
    at_work(workspace, fingerprint="another")
    assert follow.lines_of(follow.look(workspace)) == ["trials: 4/9 done, 1:15 so far"]
    at_work(workspace, stage="item_profiles", total=1000, done=10)
    assert follow.lines_of(follow.look(workspace)) == ["item_profiles: 10/1000 done, 1:15 so far"]


def test_a_damaged_board_is_none(workspace):
    sweep(workspace)
    path = f"{workspace.root}/{board_path('trials')}"
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    for broken in (text[:-9], "[]", text.replace('"total": 9', '"total": -9'), ""):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(broken)
        assert follow.look(workspace)["sweep"] is None


def test_a_board_is_written_at_most_every_two_seconds_and_says_what_is_best(workspace):
    notes = []
    made = board(workspace, notes)
    made.write()
    made.start(job("a", 0))
    made.write()
    assert workspace.read_json(board_path("trials"), SweepState).running == {}
    made._written -= 2.1
    made.write()
    assert set(workspace.read_json(board_path("trials"), SweepState).running) == {"a-0"}
    made.end(job("a", 0), Ending("ok", 0.2, 1.0), 1, 8)
    made.end(job("b", 0), Ending("ok", 0.1, 1.0), 2, 7)
    made.end(job("b", 1), Ending("ok", 0.3, 1.0), 3, 6)
    assert notes[0] == "best so far a ndcg@20 0.2000"
    assert notes[-1] == "best so far b ndcg@20 0.3000"
    made.remove()
    assert not workspace.exists(board_path("trials"))
