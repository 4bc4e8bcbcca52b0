"""A run whose Ray has ended, or can't go on, ends with a sentence."""

import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from hnlm_ray.base.errors import ResourceError, Terminated, interrupt
from hnlm_ray.cluster import watch
from hnlm_ray.cluster.place import Lack
from hnlm_ray.cluster.watch import HEAD, NODE, RayWatch


@pytest.fixture
def program():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def test_what_is_there_needs_no_word(program, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = f"127.0.0.1:{server.getsockname()[1]}"
        assert RayWatch({NODE: program}, head, str(tmp_path)).look() is None


@pytest.mark.parametrize("what", [HEAD, NODE])
def test_a_process_that_was_killed_ends_the_run_at_once(program, what, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.02)
    seen = RayWatch({what: program}, None, None)
    started = time.monotonic()
    with pytest.raises(ResourceError) as told, seen:
        kill_and(program, lambda: threading.Event().wait(20))
    seen.close()
    assert str(told.value) == f"Ray ended ({what}); the same command goes on where it was"
    assert isinstance(told.value.__cause__, KeyboardInterrupt)
    assert time.monotonic() - started < 10


def test_an_error_that_came_of_it_is_replaced_and_another_one_is_not(program):
    with pytest.raises(OSError, match="another"), RayWatch({HEAD: program}, None, None):
        raise OSError("another")
    with pytest.raises(ResourceError, match="its head died"), RayWatch({HEAD: program}, None, None):
        kill_and(program, fail)


def kill_and(program, then):
    program.kill()  # a zombie now, as Ray's own are
    then()


def fail():
    time.sleep(0.1)
    raise OSError("the connection was lost")


def test_a_head_elsewhere_may_be_away_for_a_while(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        seen = RayWatch({}, f"127.0.0.1:{closed.getsockname()[1]}", None)
        assert seen.look() is None
        monkeypatch.setattr(watch, "PATIENCE_S", 0.0)
        assert seen.look() == "Ray ended (its head died); the same command goes on where it was"


def test_temporary_files_without_room(monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "full_folder", lambda *_, **__: Lack("x", "/t has 1 MiB free", "free some space"))
    told = RayWatch({}, None, str(tmp_path)).look()
    assert told == "Ray can't go on: /t has 1 MiB free; free some space; then the same command goes on where it was"


def test_what_is_shut_down_is_no_fault(program, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.02)
    seen = RayWatch({NODE: program}, None, None)
    with seen:
        pass
    program.kill()
    time.sleep(0.2)
    assert seen.ended is None


def test_a_main_thread_that_does_not_come_back_is_ended_with_the_sentence():
    code = (
        "import os, sys, time, psutil, signal, subprocess\n"
        "from hnlm_ray.cluster import watch\n"
        "watch.LOOK_EVERY_S, watch.GRACE_S = 0.05, 0.2\n"
        "watch.interrupt = lambda: None\n"
        "process = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "with watch.RayWatch({watch.HEAD: psutil.Process(process.pid)}, None, None):\n"
        "    process.kill(); time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("error: Ray ended (its head died); the same command goes on where it was\n")


def test_the_interrupt_is_one_that_the_process_acts_on_and_wakes_what_waits():
    before = signal.getsignal(signal.SIGTERM)

    def ask(number, _):
        raise Terminated(number)

    try:
        signal.signal(signal.SIGTERM, ask)
        with pytest.raises(Terminated, match="stopped by SIGTERM"):
            wait_while(interrupt)
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(KeyboardInterrupt):
        wait_while(interrupt)


def wait_while(something):
    threading.Timer(0.1, something).start()
    threading.Event().wait(20)
    pytest.fail("nothing woke it")
