"""cluster.yaml: accepted by Ray's own validation, pinned as pyproject.toml is, without secrets."""

import re
import tomllib

import pytest
import yaml


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "cluster.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cluster(text):
    return yaml.safe_load(text)


def test_ray_accepts_it(text):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(yaml.safe_load(text))
    validate_config(prepared)
    assert set(prepared["available_node_types"]) == {"head", "cpu_worker", "gpu_worker"}


def test_workers_start_at_none(cluster):
    workers = [node for name, node in cluster["available_node_types"].items() if name != cluster["head_node_type"]]
    assert [node["min_workers"] for node in workers] == [0, 0]
    assert sum(node["max_workers"] for node in workers) <= cluster["max_workers"]


def test_its_pins_are_those_of_the_project(cluster, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["gpu"], *extras["embedded"]}
    assert set(re.findall(r'"([^"]+)"', "\n".join(cluster["setup_commands"]))) == wanted


def test_its_image_holds_the_pinned_ray(cluster, repository):
    pinned = re.search(r'"ray\[.*\]==([\d.]+)"', (repository / "pyproject.toml").read_text(encoding="utf-8")).group(1)
    assert f":{pinned}-py311" in cluster["docker"]["image"]


def test_it_holds_no_secret(text):
    assert not re.search(r"AKIA[0-9A-Z]{16}|(?i:secret|password|token)\s*[:=]", text)
