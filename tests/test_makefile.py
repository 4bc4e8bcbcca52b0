"""The Makefile, by what `make -n` would do: nothing here installs anything."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
SETUP_FILES = ("Makefile", "pyproject.toml", "requirements")


@pytest.fixture
def clone(repository, tmp_path):
    """The files that set-up reads, in a path with spaces, without .venv."""
    folder = tmp_path / "a fresh clone"
    folder.mkdir()
    for name in SETUP_FILES:
        source = repository / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def make(folder, *arguments):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )


def stamp(folder):
    return re.search(r"\.venv/\.ready-\d+", make(folder, "-n", "setup", f"PYTHON={sys.executable}").stdout).group(0)


def test_help_is_the_default_and_lists_every_target(clone):
    text = make(clone).stdout
    for target in ("setup", "demo", "test", "test-long", "lint", "lock", "help", "clean"):
        assert f"make {target}" in text


def test_set_up_installs_torch_first_then_the_pinned_list(clone, repository):
    steps = make(clone, "-n", "setup").stdout
    pins = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    order = [
        steps.index(part) for part in (torch, "--no-deps -r requirements/cpu.txt", "isolation -e .", "models fetch")
    ]
    assert order == sorted(order)
    assert not re.search(r"^torch==", (repository / "requirements/cpu.txt").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("target", ["demo", "test", "test-long", "lint"])
def test_targets_make_the_environment_themselves_once(clone, target):
    assert "-m venv" in make(clone, "-n", target).stdout
    ready = clone / stamp(clone)
    ready.parent.mkdir()
    ready.touch()
    assert "-m venv" not in make(clone, "-n", target).stdout


def test_set_up_depends_on_dependencies_not_on_settings_of_tools(clone):
    before = stamp(clone)
    project = clone / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace("line-length = 120", "line-length = 100"), encoding="utf-8")
    assert stamp(clone) == before
    project.write_text(text.replace("deepspeed==", "deepspeed>="), encoding="utf-8")
    assert stamp(clone) != before
    project.write_text(text, encoding="utf-8")
    with (clone / "requirements/cpu.txt").open("a", encoding="utf-8") as stream:
        stream.write("one-more==1\n")
    assert stamp(clone) != before


def test_an_old_python_is_one_clear_error(clone, tmp_path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert "is no Python 3.11 or newer" in done.stderr
    assert not (clone / ".venv").exists()


def test_an_interrupted_set_up_starts_anew(clone, tmp_path):
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".unfinished").touch()
    (clone / ".venv" / "half").touch()
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\ncase $1 in -c) exit 0;; *) exit 3;; esac\n", encoding="utf-8")
    python.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={python}")
    assert done.returncode != 0
    assert "starting anew" in done.stdout
    assert not (clone / ".venv" / "half").exists()
    assert (clone / ".venv" / ".unfinished").exists()
    assert not list((clone / ".venv").glob(".ready-*"))


def test_lock_writes_the_list_that_is_committed(clone, repository):
    command = make(clone, "-n", "lock", "LOCK_OPTIONS=--find-links wheels").stdout
    for part in ("--extra cpu", "--overrides requirements/overrides.txt", "--generate-hashes", "--find-links wheels"):
        assert part in command
    first = (repository / "requirements/cpu.txt").read_text(encoding="utf-8")[:200]
    assert "make lock" in first


def test_continuous_integration_calls_lint_and_test(repository):
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"^make (\S+)$", script.read_text(encoding="utf-8"), re.MULTILINE) == ["lint", "test"]
