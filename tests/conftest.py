"""Shared fixtures: a quiet environment, a small configuration, the command line with small stages."""

import gc
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

# Timing never decides a test.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1"}
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile the package anew
if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, each has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A tenth of a second each time: CliRunner would build the tree of all commands anew for each call.
typer.testing._get_command = cache(typer.testing._get_command)

HERE = Path(__file__).parent
RAY, HOSTILE = "ray", "hostile input"
LAST_LINES = pytest.StashKey()


def pytest_collection_modifyitems(config, items):
    """Leave out `long` tests unless -m asks for them, and `gpu` tests where there is no GPU; begin with the longest."""
    if "long" not in (config.option.markexpr or ""):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    for_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if for_gpu and not _has_gpu():
        for item in for_gpu:
            item.add_marker(pytest.mark.skip(reason="no GPU on this machine"))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.path))


@cache
def group_of(path):
    """Return what one process of `pytest -n` takes together with the tests of a file.

    All that start a Ray, so that there is one at a time; all of hostile input, which count their cases; else the file
    alone, whose tests share what they read.
    """
    if path.parent == HERE / "fuzz":
        return HOSTILE
    return RAY if _is_marked(path, "real") and not _is_marked(path, "no_ray") else str(path)


def place_of(path):
    """Return when a file is begun: what takes longest comes first, so that all processes end at about one time."""
    order = (group_of(path) == RAY, _is_marked(path, "real"), group_of(path) == HOSTILE, True)
    return order.index(True)


@cache
def _is_marked(path, mark):
    return f"pytest.mark.{mark}" in path.read_text(encoding="utf-8")


def pytest_collection_finish():
    """Pass over what is imported by now when garbage is collected: statsmodels does that at each correction of p."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(config.rootpath / nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # they are in order
    return ByGroup(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Keep the line that a process of `pytest -n` ends with."""
    line = getattr(node, "workeroutput", {}).get(HOSTILE)
    node.config.stash.setdefault(LAST_LINES, []).extend([line] if line else [])


def pytest_sessionfinish():
    if shared := sys.modules.get("one_ray"):
        shared.stop()


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(LAST_LINES, []):
        terminalreporter.write_line(line)


def _has_gpu():
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def repository():
    return HERE.parent


@pytest.fixture
def config_file(tmp_path):
    """A minimal configuration with a scripted LLM; its workspace is below tmp_path."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"name: tiny\nworkspace: {tmp_path / 'ws'}\nsource: {{format: movielens_100k}}\nllm: {{engine: scripted}}\n",
        encoding="utf-8",
    )
    return path


class FakeHnlm:
    """Calls `hnlm` in a process of its own, with the stages of fake_hnlm.py."""

    def __init__(self, config, folder):
        self.config, self.workspace, self.calls_file = config, folder / "ws", folder / "calls.txt"

    def start(self, *arguments, **environment):
        command = [sys.executable, str(HERE / "fake_hnlm.py"), *arguments]
        if arguments[0] not in {"doctor", "models"}:
            command += ["--config", str(self.config)]
        env = {**os.environ, "FAKE_CALLS": str(self.calls_file), **environment}
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *arguments, **environment):
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments, **environment):
        done = self(*arguments, "--json", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def calls(self):
        """Return the work done since the last call of this."""
        if not self.calls_file.exists():
            return []
        lines = self.calls_file.read_text(encoding="utf-8").splitlines()
        self.calls_file.unlink()
        return lines


@pytest.fixture
def hnlm(config_file, tmp_path):
    return FakeHnlm(config_file, tmp_path)


class Recipe:
    """A chapter of docs/extending.md, followed on a copy of the package: its files are written, its changes made.

    ``blocks`` are its code by file, in order; a line that begins with the file's path stands before each.
    """

    def __init__(self, repository, folder, chapter):
        document = (repository / "docs" / "extending.md").read_text(encoding="utf-8")
        (text,) = re.findall(rf"^### {chapter}\n(.*?)(?=^##)", document, re.DOTALL | re.MULTILINE)
        found = re.findall(r"^`([\w./]+)`[^\n]*\n(?:[^\n]+\n)?\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert len(found) == text.count("```") // 2, "the path of each block's file stands before it"
        self.blocks, self.folder, self.package = dict(found), folder, folder / "hnlm_ray"
        self._before, self._cache = repository, folder / "cache"
        for copied in ("hnlm_ray", "jobs"):
            shutil.copytree(repository / copied, folder / copied, ignore=shutil.ignore_patterns("__pycache__"))

    def follow(self, *, without=()):
        """Take all its steps, or leave some files as they are."""
        for path, block in self.blocks.items():
            if path not in without:
                self._write(path, block)
        return self

    def _write(self, path, block):
        file = self.folder / path
        if not (self._before / path).exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block, encoding="utf-8")
            return
        text = (file if file.exists() else self._before / path).read_text(encoding="utf-8")
        for change in re.split(r"^@@.*\n", block, flags=re.MULTILINE):
            text = changed(text, change.splitlines())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def python(self, *arguments):
        """Run Python on the copy, and return what it printed."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "HNLM_CACHE": str(self._cache)}
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def changed(text, change):
    """Return a file's text with the lines of a diff changed; a change without a line of before is added at the end."""
    assert all(line[:1] in {"", " ", "+", "-"} for line in change), change
    old, new = ("".join(f"{line[1:]}\n" for line in change if line[:1] != other) for other in "+-")
    if not old:
        return text + new
    assert text.count(old) == 1, f"the file has changed: {old}"
    return text.replace(old, new)


@pytest.fixture
def recipe(repository, tmp_path):
    """Make a copy of the package for a chapter of docs/extending.md."""
    return lambda chapter: Recipe(repository, tmp_path / "copy", chapter)


@pytest.fixture
def small_pipeline(monkeypatch, tmp_path):
    """Put the stages of fake_hnlm.py into this process's pipeline."""
    spec = importlib.util.spec_from_file_location("fake_hnlm", HERE / "fake_hnlm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("FAKE_CALLS", str(tmp_path / "calls.txt"))
    module.install(monkeypatch.setattr)
    monkeypatch.setattr("hnlm_ray.cluster.quiet.quiet", _not_quiet)
    monkeypatch.setattr("hnlm_ray.workspace.session._SETTLE_S", 0)
    return module


@contextmanager
def _not_quiet(_log):
    from hnlm_ray.cluster.quiet import Streams

    yield Streams(sys.stdout, sys.stderr)
