"""One run at a time: heartbeats, takeover, and the journal of a stage."""

import json
import os
import threading
import time

import pytest

from hnlm_ray.base.errors import ResourceError
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace import session as sessions
from hnlm_ray.workspace.session import Beat, Session, StageJournal, journal_path, read_beat


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(str(tmp_path / "ws"))
    workspace.create()
    return workspace


def beat(**changes):
    return Beat.of_this_process().model_copy(update=changes)


def test_a_second_session_is_refused_while_the_first_lives(workspace):
    with Session(workspace), pytest.raises(ResourceError, match=rf"process {os.getpid()} on"), Session(workspace):
        pass
    assert read_beat(workspace) is None
    with Session(workspace):
        pass


@pytest.mark.parametrize(
    "owner",
    [
        beat(pid=2**22 + 1),
        beat(process_started=12345.0),
        beat(boot="elsewhere", beat=time.time() - 3600),
        beat(namespace="pid:[1]", beat=time.time() - 3600),
        beat(host="elsewhere", boot="", namespace="", beat=time.time() - 3600),
    ],
    ids=["dead", "its pid was given to another", "silent elsewhere", "silent container", "old file"],
)
def test_a_lock_whose_owner_is_gone_is_taken_over(workspace, owner):
    workspace.write_json("session.json", owner)
    assert read_beat(workspace) is None
    with Session(workspace):
        assert read_beat(workspace).pid == os.getpid()


def test_a_killed_container_s_lock_is_taken_over_at_once_where_it_held_the_file_s(workspace):
    workspace.write_json("session.json", beat(namespace="pid:[1]", locked=True))
    with Session(workspace):
        assert read_beat(workspace).namespace == beat().namespace


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"boot": "elsewhere", "beat": time.time() + 3600},
        {"beat": 0.0},
        {"namespace": "pid:[1]", "process_started": 1.0},
        {"boot": "elsewhere", "locked": True},
        {"boot": "elsewhere", "process_started": 1.0},
        {"boot": "", "namespace": ""},
        {"host": "renamed"},
    ],
    ids=[
        "here",
        "elsewhere",
        "slow disk",
        "a container of this host's name, with a process of this number",
        "a locked file elsewhere: its file system's locks may not reach here",
        "a machine of this host's name",
        "a file of before",
        "this host has another name by now",
    ],
)
def test_a_lock_whose_owner_lives_is_respected(workspace, changes):
    owner = beat(**changes)  # now: tests may have run for long since this file was collected
    workspace.write_json("session.json", owner)
    with pytest.raises(ResourceError, match="choose another --workspace"), Session(workspace):
        pass
    assert read_beat(workspace) == owner


def test_of_two_that_start_at_the_same_moment_one_gives_way(workspace, monkeypatch):
    other = beat(token="other")
    monkeypatch.setattr(sessions.time, "sleep", lambda _: workspace.write_json("session.json", other))
    with pytest.raises(ResourceError), Session(workspace):
        pass
    assert read_beat(workspace) == other


def test_a_lock_that_is_being_rewritten_is_read_again(workspace, tmp_path):
    path = tmp_path / "ws" / "session.json"
    path.write_text("", encoding="utf-8")
    writer = threading.Timer(0.06, lambda: path.write_text(beat().model_dump_json(), encoding="utf-8"))
    writer.start()
    assert read_beat(workspace) is not None
    writer.join()


def test_a_lock_cut_off_by_a_kill_does_not_lock_for_ever(workspace, tmp_path):
    (tmp_path / "ws" / "session.json").write_text('{"host": "x', encoding="utf-8")
    with Session(workspace):
        assert read_beat(workspace).pid == os.getpid()


def test_heartbeats_go_on_and_name_the_stage(workspace, monkeypatch):
    monkeypatch.setattr(sessions, "BEAT_EVERY_S", 0.02)
    with Session(workspace) as session:
        session.begin("ingest", "f")
        first = read_beat(workspace)
        assert first.stage == "ingest"
        deadline = time.monotonic() + 5
        while read_beat(workspace).beat == first.beat:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        session.count(10, 4)
        while (journal := workspace.read_json(journal_path("ingest"), StageJournal)) is None or journal.done != 4:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert journal.total == 10
        assert journal.seconds > 0
    assert not workspace.exists("session.json")


def test_seconds_of_an_interrupted_stage_are_kept_for_the_same_work_only(workspace):
    workspace.write_json(journal_path("ingest"), StageJournal(fingerprint="f", seconds=100, error="it broke"))
    with Session(workspace) as session:
        session.begin("ingest", "f")
        assert 100 <= session.seconds() < 110
        session.end()
        session.begin("ingest", "g")
        assert session.seconds() < 10
        session.end(error="again")
    kept = workspace.read_json(journal_path("ingest"), StageJournal)
    assert (kept.fingerprint, kept.error) == ("g", "again")


def test_beginning_again_forgets_the_last_error(workspace):
    workspace.write_json(journal_path("ingest"), StageJournal(fingerprint="f", seconds=1, error="it broke"))
    with Session(workspace) as session:
        session.begin("ingest", "f")
        assert workspace.read_json(journal_path("ingest"), StageJournal).error is None


def test_ending_without_a_stage_is_nothing(workspace):
    with Session(workspace) as session:
        session.end()
        session.count(1, 1)
        assert read_beat(workspace).stage is None
    assert not workspace.exists("stages")


def test_the_lock_file_is_plain_json(workspace, tmp_path):
    with Session(workspace):
        held = json.loads((tmp_path / "ws" / "session.json").read_text(encoding="utf-8"))
    told = {"host", "pid", "process_started", "beat", "token", "stage", "boot", "namespace", "locked"}
    assert set(held) == told


def test_a_heartbeat_that_fails_for_a_moment_is_followed_by_the_next(workspace, monkeypatch, caplog):
    monkeypatch.setattr(sessions, "BEAT_EVERY_S", 0.02)
    with Session(workspace):
        first = read_beat(workspace)
        with monkeypatch.context() as patch:
            patch.setattr(Workspace, "write_json", failing)
            wait_for(lambda: "the store is away" in caplog.text)
        wait_for(lambda: read_beat(workspace).beat > first.beat)
    assert not workspace.exists("session.json")


def test_a_file_lock_decides_between_two_that_start_at_the_same_moment(workspace, tmp_path):
    lock = sessions.FileLock(str(tmp_path / "ws" / "session.lock"))
    assert lock.take()
    with pytest.raises(ResourceError, match="in use by another process"), Session(workspace):
        pass
    lock.release()
    with Session(workspace):
        assert not sessions.FileLock(str(tmp_path / "ws" / "session.lock")).take()
    assert not (tmp_path / "ws" / "session.lock").exists()


def test_a_lock_whose_file_was_removed_in_between_is_taken_anew(workspace, tmp_path, monkeypatch):
    path, real = tmp_path / "ws" / "session.lock", sessions.fcntl.flock
    removed = []

    def flock(*arguments):
        real(*arguments)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(sessions.fcntl, "flock", flock)
    lock = sessions.FileLock(str(path))
    assert lock.take()
    assert lock.held
    assert path.exists()
    lock.release()


@pytest.mark.parametrize("error", [OSError(38, "Function not implemented"), OSError(95, "Not supported")])
def test_where_files_have_no_locks_heartbeats_decide(workspace, monkeypatch, caplog, error):
    def flock(*_):
        raise error

    monkeypatch.setattr(sessions.fcntl, "flock", flock)
    with Session(workspace):
        assert not read_beat(workspace).locked
        with pytest.raises(ResourceError, match=f"process {os.getpid()}"), Session(workspace):
            pass
    assert "heartbeats alone" in caplog.text


def test_a_store_without_file_locks_waits_as_long_as_its_writes_take(workspace, monkeypatch):
    waited, write = [], Workspace.write_json

    def slow(*arguments):
        time.sleep(0.3)
        write(*arguments)

    monkeypatch.setattr(Workspace, "write_json", slow)
    monkeypatch.setattr(sessions.Session, "_keep_beating", lambda _: None)
    sleep = time.sleep
    monkeypatch.setattr(sessions.time, "sleep", lambda s: (waited.append(s), sleep(s if s == 0.3 else 0)))
    with Session(workspace):
        pass
    assert max(waited) >= 4 * 0.3


def test_a_run_whose_workspace_was_taken_over_stops_and_leaves_the_lock_alone(workspace):
    other = beat(token="other", beat=time.time() + 3600)
    with Session(workspace) as session:
        session.begin("ingest", "f")
        workspace.write_json("session.json", other)
        with pytest.raises(ResourceError, match="is in use by process"):
            session.check_held()
        session.end(error="stopped")
        with pytest.raises(ResourceError, match="is in use by process"):
            session.count(1, 1)
    assert read_beat(workspace) == other


def failing(*_):
    raise OSError("the store is away")


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lock_that_was_taken_over_is_left_to_its_new_owner(workspace):
    other = beat(token="other")
    with Session(workspace):
        workspace.write_json("session.json", other)
    assert read_beat(workspace) == other
