"""`hnlm run`, `stage` and `status` with small stages: what runs, why, and what is said."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

ALL = ["ingest", "user_profiles", "negatives", "comparison"]


def states(answer):
    return {stage["name"]: stage["state"] for stage in answer["stages"]}


def reasons(answer):
    return {stage["name"]: stage["reason"] for stage in answer["stages"]}


def test_status_works_before_anything_ran_and_changes_nothing(hnlm):
    answer = hnlm.json("status")
    assert states(answer) == dict.fromkeys(ALL, "missing")
    assert set(answer["stages"][0]) == {
        "name", "state", "reason", "rows", "repaired", "failed_by_reason", "tokens", "seconds", "planned", "outputs",
        "warnings", "notes",
    }  # fmt: skip
    assert not hnlm.workspace.exists()


def test_run_says_what_it_will_do_then_what_was_found(hnlm):
    done = hnlm("run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("run tiny in ")
    assert [line.split()[:2] for line in lines[1:5]] == [[name, "run"] for name in ALL]
    log = re.search(r"messages go to (\S+)", done.stdout).group(1)
    assert "noise of a C++ library" in Path(log).read_text(encoding="utf-8")
    assert "noise" not in done.stdout
    assert "user_profiles done: 3 ok, 1 none in" in done.stdout
    assert "tokens 40 in, 20 out" in done.stdout
    assert "named by title 1, named by title share 50.0%" in done.stdout
    assert "mf-pool" in done.stdout
    assert "hnlm show user 0 --index --config" in done.stdout
    assert hnlm.calls() == [
        f"ray for {','.join(ALL)}", "ingest", *(f"profile {user}" for user in range(4)), "negatives", "comparison",
        "ray is down",
    ]  # fmt: skip


def test_a_second_run_skips_everything_and_shows_the_same_end(hnlm):
    first = hnlm("run").stdout
    hnlm.calls()
    done = hnlm("run")
    assert done.returncode == 0
    assert hnlm.calls() == []
    assert "everything is fresh" in done.stdout
    assert first.split("users,")[1] == done.stdout.split("users,")[1]
    assert "messages go to" not in done.stdout


def test_a_fresh_run_is_quick_and_imports_neither_ray_nor_torch(hnlm):
    hnlm("run")
    done = hnlm("run", PYTHONPROFILEIMPORTTIME="1")
    modules = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert modules.isdisjoint({"ray", "torch", "vllm", "transformers", "deepspeed"})


def test_a_changed_setting_reruns_its_stage_and_says_so_before(hnlm):
    hnlm("run")
    hnlm.calls()
    answer = hnlm.json("status", "--set", "cf.epochs=7")
    assert states(answer) == {**dict.fromkeys(ALL, "fresh"), "comparison": "stale"}
    assert re.fullmatch(r"cf.epochs: \d+ -> 7", reasons(answer)["comparison"])
    done = hnlm("run", "--set", "cf.epochs=7")
    assert re.search(r"comparison +run +cf.epochs: \d+ -> 7", done.stdout)
    assert hnlm.calls() == ["ray for comparison", "comparison", "ray is down"]


def test_a_changed_prompt_reruns_what_follows(hnlm):
    hnlm("run")
    hnlm.calls()
    answer = hnlm.json("status", "--set", "profiles.user_prompt=mine.txt")
    assert states(answer) == {"ingest": "fresh", "user_profiles": "stale", "negatives": "stale", "comparison": "stale"}
    assert reasons(answer)["negatives"] == "input user_profiles changes"


def test_a_stopped_stage_goes_on_where_it_was(hnlm):
    failed = hnlm("run", FAKE_FAIL="user_profiles-2")
    assert failed.returncode == 1
    assert failed.stderr == "error: stage user_profiles failed: RuntimeError: the disk \\x1b[31m is full\n"
    hnlm.calls()
    answer = hnlm.json("status")
    row = answer["stages"][1]
    assert row["state"] == "partial"
    assert "failed: RuntimeError: the disk" in row["reason"]
    assert row["rows"] == {"ok": 2, "none": 0, "failed": 0, "todo": 2}
    assert row["tokens"] == {"in": 20, "out": 10}
    assert re.search(r"user_profiles +go on", hnlm("run").stdout)
    assert hnlm.calls()[1:3] == ["profile 2", "profile 3"]


def test_stage_runs_what_it_needs_and_nothing_after(hnlm):
    assert hnlm.json("stage", "user_profiles")["ran"] == ["ingest", "user_profiles"]
    assert states(hnlm.json("status"))["negatives"] == "missing"
    unknown = hnlm("stage", "profils")
    assert unknown.returncode == 2
    assert "choose one of ingest, user_profiles" in unknown.stderr


def test_json_is_one_object_on_standard_output(hnlm, tmp_path):
    done = hnlm("run", "--json", "--json-out", str(tmp_path / "out.json"))
    answer = json.loads(done.stdout)
    assert answer == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert answer["ran"] == ALL
    assert answer["results"]["dataset"] == {"users": 4, "items": 3, "interactions": 12}
    assert "user_profiles done" in done.stderr
    results = hnlm.json("results")
    told = {"dataset", "metric", "best_classical", "best_semantic", "budget", "failed_methods", "methods"}
    told |= {"finding", "headline", "verdict", "fresh", "reason"}
    assert set(results) == told
    assert results == answer["results"]


def test_a_second_run_at_the_same_time_is_refused(hnlm):
    first = hnlm.start("run", FAKE_SLOW="4")
    try:
        wait_for((hnlm.workspace / "session.json").exists)
        second = hnlm("run")
        assert second.returncode == 1
        assert f"in use by process {first.pid}" in second.stderr
        wait_for(lambda: "running" in states(hnlm.json("status")).values())
    finally:
        first.communicate(timeout=60)
    assert first.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_it_goes_on_and_shuts_ray_down(hnlm, number, code):
    process = hnlm.start("run", FAKE_SLOW="1")
    wait_for(lambda: hnlm.calls_file.exists() and "profile 0" in hnlm.calls_file.read_text(encoding="utf-8"))
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "stopped; the same command goes on where it was\n")
    assert hnlm.calls()[-1] == "ray is down"
    assert not (hnlm.workspace / "session.json").exists()
    assert "it was stopped by the user" in reasons(hnlm.json("status"))["user_profiles"]
    assert hnlm("run").returncode == 0
    assert "profile 0" not in hnlm.calls()


def test_a_killed_run_leaves_no_lock_and_the_next_one_finishes(hnlm):
    process = hnlm.start("run", FAKE_SLOW="1")
    wait_for(lambda: hnlm.calls_file.exists() and "profile 0" in hnlm.calls_file.read_text(encoding="utf-8"))
    process.kill()
    process.communicate()
    hnlm.calls()
    row = hnlm.json("status")["stages"][1]
    assert row["state"] == "partial"
    assert row["reason"].startswith("it was interrupted; 1 rows are done")
    assert hnlm("run").returncode == 0
    assert "profile 0" not in hnlm.calls()


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_debug_shows_the_traceback_and_its_absence_hides_it(hnlm):
    done = hnlm("run", "--debug", FAKE_FAIL="ingest")
    assert "Traceback" in done.stderr
    done = hnlm("run", FAKE_FAIL="ingest!")
    assert done.stderr == "error: the engine gave no answer: raise llm.start_timeout_s\n"
    logs = sorted((hnlm.workspace / "logs").iterdir())
    assert "Traceback" in logs[-1].read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_one_sentence(hnlm, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = hnlm("run", "--workspace", str(tmp_path / "file" / "ws"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "choose another with --workspace" in done.stderr


def test_secrets_are_never_printed_or_kept(hnlm):
    secret = "--set=llm.engine_kwargs.hf_token=s3cr3t"
    outputs = [
        hnlm("run", secret),
        hnlm("config", "show", secret),
        hnlm("status", "--set=llm.engine_kwargs.hf_token=x2"),
    ]
    assert all("s3cr3t" not in done.stdout + done.stderr for done in outputs)
    kept = [path for path in hnlm.workspace.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert kept == []


def test_a_workspace_uri_with_a_password_is_masked(hnlm):
    done = hnlm("status", "--workspace", "s4://key:s3cr3t@bucket/x")
    assert done.returncode == 2
    assert "s3cr3t" not in done.stderr
    assert "\n" not in done.stderr.strip()
