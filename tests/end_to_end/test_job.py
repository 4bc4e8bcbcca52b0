"""`ray job submit` against a Ray that runs already: the documented command, with the scripted engine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest
from small_run import small_config, write_split

from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.workspace import Workspace

RAY = [os.path.join(os.path.dirname(sys.executable), "ray")]
REPOSITORY = os.path.join(os.path.dirname(__file__), "../..")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def running_ray(tmp_path_factory):
    """Start a head node with a dashboard in a process group of its own; yields (dashboard, gcs) addresses."""
    port, dashboard = free_port(), free_port()
    home = tmp_path_factory.mktemp("ray-home")
    scratch = tempfile.mkdtemp(prefix="ray-")  # sockets need a short path; other Rays must not find this one
    environment = {
        **os.environ,
        "HOME": str(home),
        "RAY_TMPDIR": scratch,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    ports = {"port": port, "dashboard-port": dashboard}
    ports |= {f"dashboard-agent-{kind}-port": free_port() for kind in ("listen", "grpc")}
    ports["ray-client-server-port"] = free_port()
    command = [*RAY, "start", "--head", "--block", "--num-cpus=8", "--object-store-memory=200000000"]
    command += ["--include-dashboard=true", *(f"--{name}={value}" for name, value in ports.items())]
    with open(home / "ray.log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", dashboard), timeout=1).close()
            break
        except OSError:
            time.sleep(1)
    yield f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{port}", environment
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    shutil.rmtree(scratch, ignore_errors=True)


def small_preset(tmp_path, workspace):
    config = small_config(
        write_split(tmp_path / "source", test_seed=1), workspace, tune__trials=1, tune__methods=["rns", "pool"]
    )
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))  # JSON is YAML
    return path, [stage for stage in STAGES if stage.enabled(config)]


def submitted(command, environment):
    """Submit a job; a cluster that has just started may not take one yet."""
    deadline = time.monotonic() + 90
    while True:
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        if "No available agent" not in done.stderr or time.monotonic() > deadline:
            return done
        time.sleep(2)


@pytest.mark.real
@pytest.mark.timeout(1200)
def test_the_whole_pipeline_as_a_job_and_then_joined_from_outside(running_ray, tmp_path):
    dashboard, gcs, environment = running_ray
    workspace = tmp_path / "ws"
    preset, stages = small_preset(tmp_path, workspace)
    submit = [
        *RAY, "job", "submit", "--address", dashboard, "--working-dir", ".", "--runtime-env", "jobs/runtime_env.yaml",
        "--", sys.executable, "jobs/pipeline.py", "--config", str(preset),
    ]  # fmt: skip
    done = submitted(submit, environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tables = Workspace.open(str(workspace))
    assert all(tables.table(name).manifest() is not None for stage in stages for name in stage.outputs)

    again = [
        sys.executable,
        "-m",
        "hnlm_ray.cli",
        "run",
        "--config",
        str(preset),
        "--set",
        f"ray.address={gcs}",
        "--json",
    ]
    changed = [*again, "--set", "tune.seeds=3"]
    for command, ran in ((again, []), (changed, ["results", "final_model", "recommendations"])):
        joined = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
        assert joined.returncode == 0, joined.stderr[-3000:]
        assert json.loads(joined.stdout)["ran"] == ran
