"""A real study of two small data sets with the scripted LLM: run, run again, merged, refused."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from small_run import small_config, write_split

pytestmark = [pytest.mark.real, pytest.mark.long]  # three starts of a whole pipeline

METHODS = ["rns", "dns", "pool", "pool_alpha0"]


def hnlm(*arguments):
    command = [sys.executable, "-m", "hnlm_ray.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


def write_study(folder, *, broken=False):
    """Write a study of the data sets a and b, with the workspace beside it."""
    for seed, name in enumerate("ab"):
        write_split(folder / name, test_seed=seed)
    quick = {"llm__batch_rows": 64, "prepare__buckets": 1}
    tree = small_config(folder / "a", "unused", **quick, tune__trials=1, cf__epochs=2).model_dump(
        mode="json", by_alias=True
    )
    text, second = json.dumps(tree.pop("source")), "lost" if broken else "b"
    source = {"a": json.loads(text), "b": json.loads(text.replace(f"{folder}/a", f"{folder}/{second}"))}
    for own in ("name", "workspace", "stages"):
        del tree[own]
    for own in ("methods", "searches", "seeds", "metric"):
        del tree["tune"][own]
    study = {
        "name": "two", "workspace": str(folder / "study"), "base": tree, "methods": METHODS, "searches": 1, "seeds": 2,
        "datasets": [{"name": name, "set": {"source": source[name]}} for name in "ab"],
        "claims": ["semantic", "popularity", "false_negatives", "convergence", "sparsity"],
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder)
    ran = hnlm("study", "--config", path, "--json")
    assert ran.returncode == 0, ran.stderr
    return folder, json.loads(ran.stdout)


def test_every_run_is_in_the_table_and_every_claim_has_a_verdict(done):
    folder, answer = done
    assert [(run["dataset"], run["variant"]) for run in answer["runs"]] == [("a", "main"), ("b", "main")]
    for run in answer["runs"]:
        assert {method["name"] for method in run["methods"]} == {f"lightgcn-{name}" for name in METHODS}
        assert run["best_classical"] in {"lightgcn-rns", "lightgcn-dns"}
        assert all(method["test"] is not None for method in run["methods"])
    assert answer["runs"][0]["content"] != answer["runs"][1]["content"]
    assert answer["ranks"]["datasets"] == 2
    verdicts = {claim["name"]: claim["verdict"] for claim in answer["claims"]}
    assert verdicts["sparsity"] == "not tested"
    assert "not tested" not in {verdict for name, verdict in verdicts.items() if name != "sparsity"}
    assert {"study.json", "study.md", "study.csv", "ranks.svg"} <= {path.name for path in (folder / "study").iterdir()}
    assert not (folder / "study" / "runs" / "a" / "main" / "tables" / "recommendations").exists()


def test_the_same_command_runs_nothing_and_says_the_same(done):
    folder, answer = done
    logs = sorted(folder.rglob("logs/*"))
    again = hnlm("study", "--config", folder / "study.yaml", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == answer
    assert again.stderr.count("everything is fresh") == 2
    assert sorted(folder.rglob("logs/*")) == logs
    assert not (folder / "study" / "session.json").exists()


def test_folders_of_several_machines_are_merged_and_the_same_run_twice_is_fine(done):
    folder, answer = done
    for name, lost in (("here", "b"), ("there", "a"), ("both", None)):
        shutil.copytree(folder / "study", folder / name)
        if lost:
            shutil.rmtree(folder / name / "runs" / lost)
    merged = hnlm("study", "merge", folder / "out", *(folder / name for name in ("here", "there", "both")), "--json")
    assert merged.returncode == 0, merged.stderr
    found = json.loads(merged.stdout)
    assert {**found, "workspace": None, "files": None} == {**answer, "workspace": None, "files": None}
    for name in ("here", "there", "both"):
        shutil.rmtree(folder / name)
    again = hnlm("study", "merge", folder / "out", folder / "study")
    assert again.returncode == 0, again.stderr
    assert "claim sparsity: NOT TESTED" in again.stdout


def test_a_run_of_the_same_name_from_other_data_is_refused(done):
    folder, _ = done
    shutil.copytree(folder / "study", folder / "other")
    shutil.rmtree(folder / "other" / "runs" / "b")
    shutil.copytree(folder / "other" / "runs" / "a", folder / "other" / "runs" / "b")
    refused = hnlm("study", "merge", folder / "new", folder / "study", folder / "other")
    assert refused.returncode == 2
    assert "run b/main was made from another configuration or other data" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (folder / "new").exists()


def test_folders_of_other_studies_or_of_none_are_refused(done, tmp_path):
    folder, _ = done
    none = hnlm("study", "merge", tmp_path / "out", folder / "study", tmp_path)
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "holds no study" in none.stderr
    definition = json.loads((folder / "study" / "definition.json").read_text())
    (tmp_path / "definition.json").write_text(json.dumps(definition | {"searches": 2, "seeds": 5}))
    other = hnlm("study", "merge", tmp_path / "out", folder / "study", tmp_path)
    assert "hold studies of other searches, seeds" in other.stderr


def test_files_that_are_not_there_are_told_before_anything_runs(tmp_path):
    refused = hnlm("study", "--config", write_study(tmp_path, broken=True))
    assert refused.returncode == 2
    assert "lost" in refused.stderr
    assert not (tmp_path / "study").exists()
