"""What it takes to add an engine, shown on a copy of the package: its file, the registry's line, a setting's word."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LITERAL = 'Literal["vllm", "http", "scripted"]'


def changed(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def copy(repository, tmp_path):
    """Return a copy of the package with one engine more: three files are touched."""
    package = tmp_path / "copy" / "hnlm_ray"
    shutil.copytree(repository / "hnlm_ray", package, ignore=shutil.ignore_patterns("__pycache__"))
    engines = package / "llm" / "engines"
    shutil.copy(HERE / "echo_engine.py", engines / "echo.py")
    changed(package / "config" / "llm.py", LITERAL, LITERAL.replace("]", ', "echo"]'))
    registry = engines / "__init__.py"
    changed(registry, '    "scripted": SCRIPTED_KIND,\n', '    "scripted": SCRIPTED_KIND,\n    "echo": ECHO_KIND,\n')
    line = "from hnlm_ray.llm.engines.http.kind import HTTP_KIND\n"
    changed(registry, line, "from hnlm_ray.llm.engines.echo import ECHO_KIND\n" + line)
    return package


@pytest.fixture
def python(copy, tmp_path):
    """Run Python on the copy."""

    def python(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(copy.parent), "HNLM_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)

    return python


def test_a_new_engine_answers_and_is_known_to_stages_plans_and_commands(python, config_file):
    done = python(str(HERE / "use_echo.py"), str(config_file))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["identity"]) == ("ok", "echo@1")
    assert "Last Word" in told["text"]
    assert told["tokens_in"] == told["tokens_planned"] > 10
    assert told["content"] == {"engine": "echo", "max_attempts": 3, "model": "echo@1"}
    assert (told["slots"], told["chunks"], told["own_pace"]) == (8, 2, True)
    assert told["step_s"] > 0
    assert told["doctor"] == ["encoder"]
    assert set(told["states"]) == {"missing"}


def test_an_answer_that_was_forgotten_is_told_by_its_name(copy, python):
    changed(copy / "llm" / "engines" / "echo.py", "    may_bill=False,\n", "")
    done = python("-c", "import hnlm_ray.llm.engines")
    assert done.returncode != 0
    assert "may_bill" in done.stderr
