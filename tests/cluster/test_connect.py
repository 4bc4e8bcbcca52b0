import os
import subprocess
import sys
import time

import psutil
import pytest

from hnlm_ray.base.errors import InputError, ResourceError
from hnlm_ray.cluster.connect import _join as join
from hnlm_ray.cluster.connect import address_origin, cluster_address, connected, needs, require
from hnlm_ray.cluster.reaper import TOKEN_VARIABLE, processes_of
from hnlm_ray.config import Config, RayConfig
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage


def config(**ray):
    return Config.model_validate(
        {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}, "ray": ray}
    )


def test_too_few_cpus_are_told_before_anything_starts():
    with (
        pytest.raises(
            ResourceError, match=r"stage item_profiles needs 3\.5 CPUs and this machine's Ray \(ray\.cpus\) has 3"
        ),
        connected(config(cpus=3), STAGES),
    ):
        pass


def test_missing_gpus_are_told():
    asking = config()
    asking = asking.model_copy(update={"llm": asking.llm.model_copy(update={"gpus_per_engine": 1})})
    with pytest.raises(ResourceError, match="needs 1 GPUs and the cluster has 0"):
        require("the cluster", [{"CPU": 64}], asking, [find_stage("user_profiles")])
    require("the cluster", [{"CPU": 64}, {"CPU": 2, "GPU": 1}], asking, STAGES)


def test_an_engine_must_fit_on_one_node():
    with pytest.raises(ResourceError, match=r"needs 2 CPUs on one node and no node has that"):
        require("the cluster", [{"CPU": 1}] * 8, config(), [find_stage("item_profiles")])


def test_a_joined_ray_that_is_too_small_is_told_with_the_command_that_starts_a_larger_one():
    with pytest.raises(ResourceError) as told:
        require("the cluster", [{"CPU": 2}], config(), [find_stage("trials")], joined=True)
    assert "needs 2.5 CPUs and the cluster has 2: start a node with `ray start --num-cpus 3` or more" in str(told.value)
    assert "ray.cpus" not in str(told.value)
    with pytest.raises(ResourceError, match=r"needs 2 CPUs on one node and no node has that: start a node with `ray "):
        require("the cluster", [{"CPU": 1}] * 8, config(), [find_stage("item_profiles")], joined=True)
    with pytest.raises(ResourceError, match=r"has 2: raise ray\.cpus, "):
        require("this machine's Ray (ray.cpus)", [{"CPU": 2}], config(), [find_stage("trials")])


def test_needs_follow_the_engines():
    asking = config()
    more = asking.model_copy(update={"llm": asking.llm.model_copy(update={"engines": 3})})
    bundles = find_stage("item_profiles").bundles
    assert needs(bundles(more))["CPU"] - needs(bundles(asking))["CPU"] == 2 * asking.llm.cpus_per_engine


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "localhost:1", "host:99999999999"])
def test_an_address_that_nobody_listens_on_is_one_sentence(address):
    started = time.monotonic()
    with pytest.raises(ResourceError, match=r"no Ray answers at ray\.address"), connected(config(address=address), []):
        pass
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("address", ["nonsense", "host:port", ":6379"])
def test_what_is_no_address_is_wrong_input(address):
    with pytest.raises(InputError, match=r"is no address: use 'local'"), connected(config(address=address), []):
        pass


def test_a_refused_token_is_not_taken_for_an_absent_ray(monkeypatch):
    class AuthenticationError(Exception):
        pass

    def refuse(**_options):
        raise ConnectionError("Failed to connect") from AuthenticationError("InvalidAuthToken")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ResourceError, match=r"refuses this process's token.*RAY_AUTH_TOKEN"):
        join("auto")


def test_classes_of_one_s_own_are_sent_to_a_joined_cluster_and_a_job_has_its_own_environment(monkeypatch):
    given, sent = [], {"env_vars": {"HNLM_PLUGINS": "mypkg"}, "py_modules": ["/home/me/mypkg"]}
    monkeypatch.setattr("ray.init", lambda **options: given.append(options.get("runtime_env")))
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    for environment, job in ((sent, False), ({}, False), (sent, True)):
        monkeypatch.setattr("hnlm_ray.cluster.connect.runtime_environment", lambda environment=environment: environment)
        if job:
            monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
        join("auto")
    assert given == [sent, None, None]


def test_inside_a_job_local_means_the_job_s_cluster(monkeypatch):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    assert cluster_address(RayConfig()) == "127.0.0.1:9"
    assert cluster_address(RayConfig(address="other:1")) == "other:1"
    with (
        pytest.raises(ResourceError, match=r"at RAY_ADDRESS '127\.0\.0\.1:9' of this Ray job"),
        connected(config(), []),
    ):
        pass


def test_outside_a_job_the_address_for_submitting_jobs_does_not_override_local(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert cluster_address(RayConfig()) is None
    assert cluster_address(RayConfig(address="auto")) == "auto"
    assert address_origin("auto") == "ray.address 'auto', where RAY_ADDRESS is 'http://127.0.0.1:8265'"


def test_a_job_is_told_by_what_ray_s_job_supervisor_sets():
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR
    from ray.dashboard.modules.job import job_supervisor

    assert RAY_JOB_CONFIG_JSON_ENV_VAR == "RAY_JOB_CONFIG_JSON_ENV_VAR"
    assert "RAY_JOB_CONFIG_JSON_ENV_VAR" in vars(job_supervisor)


SLEEP = "import time; time.sleep(600)"
CHILD = (
    "import subprocess, sys, time; "
    f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); time.sleep(600)"
)
OWNER = f"""
import os, subprocess, sys, time
from hnlm_ray.cluster.reaper import TOKEN_VARIABLE, start_reaper
start_reaper(sys.argv[1])
os.environ[TOKEN_VARIABLE] = sys.argv[1]
subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True)
print("ready", flush=True)
time.sleep(600)
"""


def test_a_killed_run_leaves_no_process_and_others_stay():
    token = f"test-{os.getpid()}"
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, TOKEN_VARIABLE: token + "-other"}
    )
    owner = subprocess.Popen([sys.executable, "-c", OWNER, token], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 20
    while len(processes_of(token)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(processes_of(token)) == 2
    owner.kill()
    owner.wait()
    while processes_of(token) and time.monotonic() < deadline + 20:
        time.sleep(0.2)
    assert processes_of(token) == []
    assert psutil.Process(bystander.pid).is_running()
    bystander.kill()
    bystander.wait()
