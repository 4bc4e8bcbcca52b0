"""`hnlm doctor`: each check's states, and its exit code."""

import json
import socket
from collections import namedtuple

import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.setup.checks import cluster, machine, packages, storage
from hnlm_ray.commands.setup.checks.models import model_checks
from hnlm_ray.config.loading import load_config


@pytest.fixture
def config(config_file):
    return load_config(str(config_file))


def with_address(config, address):
    return config.model_copy(update={"ray": config.ray.model_copy(update={"address": address})})


def test_this_machine_is_examined(config_file):
    done = CliRunner().invoke(app, ["doctor", "--config", str(config_file), "--json"])
    answer = json.loads(done.stdout)
    names = {check["name"] for check in answer["checks"]}
    assert {"python", "ray", "vllm", "cpus", "memory free", "gpu", "workspace", "encoder", "ray cluster"} <= names
    assert all(set(check) == {"name", "state", "found", "remedy"} for check in answer["checks"])
    assert all(check["remedy"] for check in answer["checks"] if check["state"] != "ok")
    assert (done.exit_code == 0) == answer["ok"]


def test_a_failure_exits_with_1_and_says_what_to_do(config_file, tmp_path):
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["doctor", "-c", str(config_file), "-w", str(tmp_path / "file" / "ws")])
    assert done.exit_code == 1
    assert "fail workspace" in done.stdout
    assert "choose another with --workspace" in done.stdout


def test_examining_leaves_no_folder_behind(config, tmp_path):
    storage.storage_checks(config)
    assert not (tmp_path / "ws").exists()


def test_both_vllm_packages_are_an_error(monkeypatch):
    monkeypatch.setattr(packages, "version", lambda _: "0.29.0")
    assert packages._vllm().state == "fail"
    assert "both provide" in packages._vllm().remedy


def test_missing_and_wrong_packages_are_named(monkeypatch):
    versions = {"hnlm_ray": "0.1.0", "ray": "2.0.0", "torch": "2.13.0+cpu"}

    def version(name):
        if name not in versions:
            raise packages.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages, "version", version)
    found = {check.name: check for check in packages.package_checks()}
    assert found["ray"].state == "fail"
    assert "ray==2.60.0 is needed" in found["ray"].remedy
    assert found["torch"].state == "ok"
    assert found["numpy"].found == "not installed"
    assert found["vllm"].state == "warn"


@pytest.mark.parametrize(("gib", "state"), [(16, "ok"), (7, "warn"), (1, "fail")])
def test_memory(monkeypatch, gib, state):
    memory = namedtuple("memory", "available")(gib << 30)  # noqa: PYI024
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)
    assert machine._memory().state == state


def test_a_gpu_is_found_and_told_how_to_use(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'A GPU, 80000 MiB'\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine._gpu().found == "A GPU, 80000 MiB"
    assert "llm.gpus_per_engine=1" in machine._gpu().remedy
    tool.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    assert machine._gpu().state == "ok"


def test_an_address_where_nobody_listens(config):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    check = cluster.cluster_checks(with_address(config, f"127.0.0.1:{port}"))[0]
    assert check.state == "fail"
    assert "ray.address=local" in check.remedy
    assert cluster.cluster_checks(with_address(config, "nonsense"))[0].state == "fail"


def test_an_address_that_answers(config):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert cluster.cluster_checks(with_address(config, address))[0].state == "ok"


def test_the_cluster_of_a_job_is_checked_and_outside_one_a_local_ray_is_not_looked_for(config, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert cluster.cluster_checks(config)[0].found == "one is started here"
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert cluster.cluster_checks(config)[0].state == "fail"


def test_what_a_local_ray_lacks_here_is_told(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").touch()
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 60)
    found = {check.name: check for check in cluster.cluster_checks(config)}
    assert {check.state for check in found.values()} == {"fail"}
    assert found["current folder"].found.startswith("./numpy.py hides the module numpy")
    assert "Ray's sockets leave room for 39" in found["temporary files"].found
    there = cluster.cluster_checks(with_address(config, "auto"))
    assert [check.name for check in there] == ["ray cluster", "current folder"]


def test_models(config, monkeypatch, tmp_path):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path))
    assert [check.name for check in model_checks(config)] == ["encoder"]
    assert [check.state for check in model_checks(None)] == ["fail", "ok"]
