"""Progress: lines for logs, bars for terminals, counts for the journal."""

import contextlib
import io
import os
import threading
import time

import pytest
from rich.console import Console

from hnlm_ray.base import progress as module
from hnlm_ray.base.progress import BarProgress, JournalProgress, LineProgress, open_progress
from hnlm_ray.commands.output import open_console


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def lines(console):
    return console.file.getvalue().splitlines()


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=40)


def test_a_line_has_rates_and_time_left(console, clock):
    progress = LineProgress(console)
    progress.start("item_profiles", 100, done=20)
    clock[0] += 10
    progress.advance(20, tokens=1000)
    progress.finish()
    assert lines(console) == ["item_profiles: 40/100 rows (40%), 2.0 rows/s, 100 tokens/s, 0:30 left"]


def test_lines_come_by_themselves_also_while_nothing_advances(console):
    with LineProgress(console, every_s=0.01) as progress:
        progress.start("item_profiles", 100)
        deadline = time.monotonic() + 20
        while len(lines(console)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    printed = len(lines(console))
    time.sleep(0.05)
    assert len(lines(console)) == printed


def test_an_unknown_total_and_other_units(console, clock):
    progress = LineProgress(console)
    progress.start("ingest", 0, unit="lines")
    clock[0] += 10
    progress.advance(1000)
    progress.finish()
    assert lines(console) == ["ingest: 1000 lines, 100.0 lines/s"]


def test_progress_outside_a_stage_is_ignored(console):
    progress = LineProgress(console)
    progress.advance(3)
    progress.finish()
    assert lines(console) == []


def test_hours_are_written_as_hours(clock, console):
    progress = LineProgress(console)
    progress.start("trials", 10_000, unit="epochs")
    clock[0] += 10
    progress.advance(10)
    progress.finish()
    assert lines(console)[0].endswith("2:46:30 left")


def test_bars_on_a_terminal_and_lines_elsewhere():
    assert isinstance(open_progress(Console(file=io.StringIO())), LineProgress)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    assert isinstance(open_progress(terminal), BarProgress)
    with open_progress(terminal) as progress:
        progress.advance()
        progress.start("user_profiles", 10, done=2)
        progress.advance(8, tokens=80)
        progress.finish()
    shown = terminal.file.getvalue()
    assert "user_profiles" in shown
    assert "10/10" in shown


def test_a_journal_learns_what_is_done(console):
    noted = []
    progress = JournalProgress(LineProgress(console), lambda total, done: noted.append((total, done)))
    progress.start("x", 10, done=3)
    progress.advance(2, tokens=7)
    progress.advance()
    progress.finish()
    assert noted == [(10, 3), (10, 5), (10, 6)]
    assert lines(console)[-1].startswith("x: 6/10 rows")


def test_a_pipe_that_nobody_reads_interrupts_what_waits(clock):
    reader, writer = os.pipe()
    os.close(reader)
    closed = open_console()
    closed.file = open(writer, "w", buffering=1)  # noqa: SIM115  closed with an error
    try:
        with pytest.raises(BrokenPipeError), LineProgress(closed, every_s=0.01) as progress:
            wait_with(progress)
    finally:
        with contextlib.suppress(BrokenPipeError):
            closed.file.close()


def wait_with(progress):
    progress.start("item_profiles", 100)
    threading.Event().wait(20)
    pytest.fail("nothing woke it")
