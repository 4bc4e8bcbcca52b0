"""The table of a study: one correction over all runs, ranks over data sets, files that nothing breaks."""

import csv
import json
from xml.etree import ElementTree as ET

import pytest
from made_runs import made_run

from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.outputs import markdown, write_outputs
from hnlm_ray.study.table import families, study_answer
from hnlm_ray.workspace import Workspace

STUDY = {"name": "x", "workspace": "w", "methods": ["rns"], "seeds": 3, "claims": ["semantic", "generalisation"]}


def study(*datasets, **changes):
    return StudyConfig.model_validate(STUDY | {"datasets": [{"name": name} for name in datasets]} | changes)


@pytest.fixture
def runs():
    return [
        made_run(name, mf_dns=0.2, mf_rns=0.15, mf_pool=pool, mf_pool_alpha0=0.2)
        for name, pool in (("a", 0.25), ("b", 0.25), ("c", 0.2001))
    ]


def test_p_is_corrected_over_all_runs_and_controls_are_no_claim(runs):
    answer, _ = study_answer(study("a", "b", "c"), runs, [])
    methods = [method for run in answer["runs"] for method in run["methods"]]
    counted = [method for method in methods if method["p_holm"] is not None]
    assert {method["name"] for method in counted} == {"mf-rns", "mf-pool"}
    least = min(counted, key=lambda method: method["p"])
    assert least["p_holm"] == pytest.approx(6 * least["p"])
    assert [(row["dataset"], row["method"], row["against"]) for row in answer["better"]] == [
        ("a", "mf-pool", "mf-dns"),
        ("b", "mf-pool", "mf-dns"),
    ]
    assert not any(method["better"] for method in methods if method["family"] == "control")


def test_ranks_are_over_the_data_sets_of_the_first_variant(runs):
    other = [made_run(run.dataset, variant="half", mf_dns=0.1, mf_rns=0.3) for run in runs]
    variants = {"variants": [{"name": "main"}, {"name": "half"}]}
    answer, ranking = study_answer(study("a", "b", "c", **variants), [*runs, *other], [])
    assert [row["name"] for row in answer["ranks"]["methods"]] == ["mf-pool", "mf-dns", "mf-rns"]
    assert answer["ranks"]["datasets"] == ranking.datasets == 3
    lone, none = study_answer(study("a"), runs[:1], [])
    assert none is None
    assert "over data sets" in lone["ranks"]["reason"]


def test_a_method_that_lacks_a_data_set_is_left_out_of_the_ranks_and_named(runs):
    answer, _ = study_answer(study("a", "b"), [runs[0], made_run("b", mf_dns=0.2, mf_rns=0.1)], [])
    assert answer["ranks"]["left_out"] == ["mf-pool"]
    assert "mf-pool" in markdown(answer)


def test_all_files_are_written_and_can_be_read(runs, tmp_path):
    reason = "=1+1 | <b>`x`</b>\nnext"
    unfinished = [{"dataset": "d", "variant": "main", "state": "failed", "reason": reason}]
    answer, ranking = study_answer(study("a", "b", "c", "d"), runs, unfinished)
    write_outputs(Workspace.open(str(tmp_path)), answer, ranking, families(runs))
    assert json.loads((tmp_path / "study.json").read_text()) == json.loads(json.dumps(answer))
    page = (tmp_path / "study.md").read_text()
    assert "| semantic |" in page
    assert "**not tested**" in page
    assert r"\<b\>" in page
    cells = {line.count(" | ") for line in page.splitlines() if line.startswith("| mf-")}
    assert len(cells) <= 2  # of ranks and of runs
    with open(tmp_path / "study.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == sum(len(run.methods) for run in runs)
    assert {row["best_classical"] for row in rows} == {"mf-dns"}
    root = ET.parse(tmp_path / "ranks.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert all(f"--{name}:" in root.attrib["style"] for name in ("ink", "classical", "semantic", "text"))


def test_a_study_without_a_finished_run_has_an_answer(tmp_path):
    unfinished = [{"dataset": "a", "variant": "main", "state": "failed", "reason": "no file"}]
    answer, ranking = study_answer(study("a"), [], unfinished)
    write_outputs(Workspace.open(str(tmp_path)), answer, ranking, {})
    assert "a/main: no file" in (tmp_path / "study.md").read_text()
    assert {claim["verdict"] for claim in answer["claims"]} == {"not tested"}
