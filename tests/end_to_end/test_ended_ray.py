"""A real Ray that is asked to stop while it starts, and one whose head is killed at work: code, sentence, rest."""

import os
import signal
import time

import psutil
import pytest
from killed_run import KilledRun
from lost_processes import write_items

pytestmark = [pytest.mark.real, pytest.mark.long]
GOES_ON = "the same command goes on where it was"


@pytest.fixture
def command(tmp_path):
    preset = write_items(tmp_path, 400)
    slow = ("--set", "llm.scripted.seconds_per_row=0.05", "--set", "llm.batch_rows=16")
    return KilledRun("stage", "item_profiles", "--config", preset, *slow)


def child(process, program, seconds=60):
    """Return a process of the command, as soon as it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for found in psutil.Process(process.pid).children():
            try:
                if os.path.basename(found.cmdline()[0]) == program:
                    return found
            except (psutil.Error, IndexError):
                continue
        time.sleep(0.05)
    raise AssertionError(f"no {program}")


def test_sigterm_while_ray_starts_has_the_documented_code(command):
    process = command.start()
    child(process, "gcs_server")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert output.endswith(f"stopped; {GOES_ON}\n")
    assert command.wait_until_gone() == []


def test_a_run_whose_head_is_killed_ends_with_a_sentence_and_goes_on(command, tmp_path):
    process = command.start()
    head = child(process, "gcs_server")
    parts = tmp_path / "ws" / "tables" / "item_profiles"
    deadline = time.monotonic() + 90
    while not list(parts.glob("*/*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    head.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert output.endswith(f"error: Ray ended (its head died); {GOES_ON}\n")
    assert command.wait_until_gone() == []
    assert "done: 400 ok" in command.finish(timeout=200)
