"""How `hnlm run` ends when its terminal, its pipe or its streams are closed: exit code, sentence, and what is left."""

import fcntl
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from hnlm_ray.commands import invocation

FAKE = str(Path(__file__).parents[1] / "fake_hnlm.py")


def wait_for_a_profile(hnlm):
    deadline = time.monotonic() + 30
    while not hnlm.calls_file.exists() or "profile 0" not in hnlm.calls_file.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log_of(hnlm):
    return max((hnlm.workspace / "logs").iterdir()).read_text(encoding="utf-8")


def test_a_run_whose_terminal_was_closed_leaves_the_sentence_in_its_log(hnlm):
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, FAKE, "run", "--config", str(hnlm.config)],
        env={**os.environ, "FAKE_CALLS": str(hnlm.calls_file), "FAKE_SLOW": "1"},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  it calls no code of ours
    )
    os.close(end)
    wait_for_a_profile(hnlm)
    os.close(terminal)
    assert process.wait(timeout=30) == 129
    assert log_of(hnlm).endswith("\nstopped; the same command goes on where it was\n")
    assert not (hnlm.workspace / "session.json").exists()
    assert hnlm("run").returncode == 0


def test_what_nohup_ignores_stays_ignored(hnlm):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = hnlm.start("run", FAKE_SLOW="0.5")
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    wait_for_a_profile(hnlm)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_signal_that_ray_makes_a_plain_interrupt_of_has_its_own_code(monkeypatch):
    monkeypatch.setattr(invocation, "_received", [signal.SIGTERM])
    assert invocation._stop(invocation.Invocation()) == 143
    monkeypatch.setattr(invocation, "_received", [])
    assert invocation._stop(invocation.Invocation()) == 130


@pytest.mark.parametrize("lines", [1, 3, 8])
def test_a_run_whose_output_nobody_reads_ends_without_a_word_and_goes_on_later(hnlm, lines):
    process = hnlm.start("run", FAKE_SLOW="0.2")
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
    assert not (hnlm.workspace / "session.json").exists()
    assert lines == 1 or "standard output was closed: stopped" in log_of(hnlm)
    assert hnlm("run").returncode == 0


def test_an_answer_that_nobody_reads_is_no_error(hnlm):
    for arguments in (("status",), ("status", "--json")):
        process = hnlm.start(*arguments)
        process.stdout.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (141, "")
        process.stderr.close()


def test_closed_streams_are_no_error(hnlm):
    command = shlex.join([sys.executable, FAKE, "run", "--config", str(hnlm.config)])
    environment = {**os.environ, "FAKE_CALLS": str(hnlm.calls_file)}
    done = subprocess.run(f"{command} <&- >&- 2>&-", shell=True, env=environment, check=False)
    assert done.returncode == 0
    assert {stage["state"] for stage in hnlm.json("status")["stages"]} == {"fresh"}
