"""A plan on data never run, then the run: rows, tokens and states as they were foreseen."""

import json
import subprocess
import sys

import pytest
import yaml
from rich.console import Console
from small_run import run_pipeline, small_config, write_split

from hnlm_ray.plan.figures import PLAN_FILE, PlanFile
from hnlm_ray.workspace import Workspace

LLM = ("item_profiles", "user_profiles", "semantic_negatives")


def hnlm(command, path, *options):
    line = [sys.executable, "-m", "hnlm_ray.cli", command, "--config", str(path), "--json", *options]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def answer(command, path, *options):
    done = hnlm(command, path, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))
    config = small_config(write_split(tmp_path / "data", test_seed=1), tmp_path / "ws")
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    return config, path


@pytest.mark.real
def test_a_run_takes_what_its_plan_foresaw(small):
    config, path = small
    plan = answer("plan", path, "--sample", "24")
    planned = {stage["name"]: stage for stage in plan["stages"]}
    assert planned["prepare"]["state"] == "fresh"
    assert {planned[name]["state"] for name in (*LLM, "trials", "results")} == {"missing"}
    assert plan["total"]["seconds"] == pytest.approx(sum(stage["seconds"] for stage in plan["stages"]), abs=0.1)
    run_pipeline(config, Console(stderr=True))
    found = {stage["name"]: stage for stage in answer("status", path)["stages"]}
    for name, stage in planned.items():
        rows = found[name]["rows"]
        assert stage["state"] == "fresh" or stage["rows"] == rows["ok"] + rows["none"] + rows["failed"], name
        assert (found[name]["planned"] is None) == (stage["state"] == "fresh"), name
    for name in LLM:
        for way in ("in", "out"):
            assert planned[name]["tokens"][way] == pytest.approx(found[name]["tokens"][way], rel=0.3), (name, way)
            assert found[name]["planned"]["tokens"][way] == planned[name]["tokens"][way]
    again = answer("plan", path)
    assert (again["total"]["prompts"], again["total"]["seconds"]) == (0, 0)
    kept = Workspace.open(config.workspace).read_json(PLAN_FILE, PlanFile)
    assert kept.promises["item_profiles"].tokens.tokens_in == planned["item_profiles"]["tokens"]["in"]
    assert "planned" in hnlm("status", path).stdout


@pytest.mark.real
def test_without_measuring_a_plan_needs_no_engine_and_says_what_it_assumes(small):
    _, path = small
    given = ("--set", "llm.gpus_per_engine=1", "--set", "llm.engine=vllm", "--set", "llm.prices.gpu_hour=2")
    plan = answer("plan", path, "--rate", "20000,3000", "--no-measure", *given)
    profiles = next(stage for stage in plan["stages"] if stage["name"] == "item_profiles")
    assert profiles["gpu_hours"] == pytest.approx(profiles["seconds"] / 3600, rel=0.1)
    assert profiles["cost"] == pytest.approx(2 * profiles["gpu_hours"])
    assert "at the given 20000 tokens/s read and 3000 written" in profiles["basis"]
    assert any("epochs" in sentence for sentence in plan["assumptions"])
    missing = hnlm("plan", path, "--measure", *given)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith(
        "error: to measure takes 1 GPUs and this machine has 0: plan with"
    )


@pytest.mark.real
def test_an_engine_that_dies_of_the_sample_is_one_sentence(small):
    _, path = small
    for poison, how in (("crash", "scripted death"), ("kill", "its process is gone")):
        dead = hnlm("plan", path, "--set", f"llm.scripted.poison.{poison}=1")
        assert dead.returncode == 1
        assert dead.stdout == ""
        told = f"the engine died while it answered a sample of item_profiles ({how}): see the log, or plan without"
        assert told in dead.stderr.splitlines()[-1]
