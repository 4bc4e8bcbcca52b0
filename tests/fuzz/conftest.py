"""Ten times as many cases, drawn anew, in a long run; the total is asserted last and printed."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import bounds
import pytest
from typer.testing import CliRunner

HERE = Path(__file__).parent
HOSTILE = "hostile input"


def _is_long(config):
    marks = config.option.markexpr or ""
    return "long" in marks and "not long" not in marks


def pytest_configure(config):
    bounds.TALLY.scale = 10 if _is_long(config) else 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let a long run have these tests as well, and the one of their total at the end."""
    own = [item for item in items if item.path.is_relative_to(HERE)]
    if _is_long(config):
        for item in own:
            item.add_marker("long")
            item.add_marker(pytest.mark.timeout(3600))
    last = [item for item in own if item.path.name == "test_total.py"]
    items[:] = [item for item in items if item not in last] + last


def pytest_sessionfinish(session):
    """Hand the last line to the process that prints it, which may be another one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[HOSTILE] = last_line(session.config)


def pytest_terminal_summary(terminalreporter, config):
    if line := last_line(config):
        terminalreporter.write_line(line)


def last_line(config):
    """Return how many cases there were and the worst of them; empty where there was none."""
    tally = bounds.TALLY
    if not tally.cases:
        return ""
    drawn = f"drawn with HNLM_FUZZ_SEED={bounds.SEED}" if _is_long(config) else "always the same"
    (seconds, slow), (mib, large) = tally.slowest, tally.largest
    return (
        f"{HOSTILE}: {tally.cases.total():,} cases, {drawn}; slowest {seconds:.2f} s ({slow}), "
        f"largest {mib:.0f} MiB ({large})"
    )


@contextlib.contextmanager
def small_run(folder, monkeypatch, **values):
    """Run the small stages of fake_hnlm.py in this process; ``values`` replace its constants, such as TITLES."""
    from hnlm_ray.cli import app

    spec = importlib.util.spec_from_file_location("fake_hnlm", HERE.parent / "fake_hnlm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in values.items():
        setattr(module, name, value)
    monkeypatch.setenv("FAKE_CALLS", str(folder / "calls.txt"))
    module.install(monkeypatch.setattr)
    monkeypatch.setattr("hnlm_ray.cluster.quiet.quiet", _not_quiet)
    monkeypatch.setattr("hnlm_ray.workspace.session._SETTLE_S", 0)
    config = folder / "tiny.yaml"
    config.write_text(
        f"name: tiny\nworkspace: {folder / 'ws'}\nsource: {{format: movielens_100k}}\nllm: {{engine: scripted}}\n",
        encoding="utf-8",
    )

    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(config)])

    done = call("run")
    assert done.exit_code == 0, done.output
    yield call


@contextlib.contextmanager
def _not_quiet(_log):
    from hnlm_ray.cluster.quiet import Streams

    yield Streams(sys.stdout, sys.stderr)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with the workspace ``ws`` of a finished small run, and what calls `hnlm` on it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch, small_run(folder, monkeypatch) as call:
        yield folder, call


@pytest.fixture
def run_with(tmp_path, monkeypatch):
    """Return what makes a finished small run of one's own users or titles, and calls `hnlm` on it."""
    with contextlib.ExitStack() as stack:
        yield lambda **values: stack.enter_context(small_run(tmp_path, monkeypatch, **values))
