"""What a stage's check refuses before hours of other stages have run."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config
from hnlm_ray.pipeline import stages
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.plan.estimate.stage_cost import StageCost, cost_of
from hnlm_ray.plan.planning import Planner, StandingStage
from hnlm_ray.workspace.stage import Stage
from hnlm_ray.workspace.tables import KEYS, TABLES

TREE = {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}}


def check(stage, **sections):
    find_stage(stage).check(Config.model_validate(TREE | sections))


OFF = {"finetune": {"enabled": False}}
NONE = {"negatives": {"pairs_per_user": 0}}


def test_trials_need_validation_rows_and_a_pool_for_the_methods_that_use_it():
    check("trials")
    pooled = {"tune": {"methods": ["rns", "pool", "pool_alpha0"]}}
    check("trials", **NONE, **pooled)  # vectors fill it
    with pytest.raises(InputError, match=r"pairs_per_user is 0, so the pool of pool, pool_alpha0 would be empty"):
        check("trials", **OFF, **NONE, **pooled)
    with pytest.raises(InputError, match=r"set prepare\.split\.validation above 0"):
        check("trials", prepare={"split": {"validation": 0}})


@pytest.mark.parametrize("without", [OFF, {"embeddings": {"pairs_per_user": 0}}])
def test_trials_need_vectors_for_the_methods_that_use_them(without):
    with pytest.raises(InputError, match=r"no pair gets a vector, which hnlmrec_random need: set finetune\.enabled"):
        check("trials", **without, tune={"methods": ["rns", "hnlmrec_random"]})
    check("trials", **without)


def test_the_default_methods_are_those_that_have_something_to_train_on():
    def kinds(**sections):
        methods = Config.model_validate(TREE | sections).tune.methods
        return list(dict.fromkeys(method.partition("_")[0] for method in methods))

    plain = ["popularity", "rns", "pns", "dns", "softmax", "ease", "fusion"]  # fusion_cf
    assert kinds() == [*plain, "pool", "hnlmrec", "guard"]
    assert kinds(**NONE) == [*plain, "pool", "hnlmrec", "guard"]
    assert kinds(**OFF) == kinds(embeddings={"pairs_per_user": 0}) == [*plain, "pool", "guard"]
    assert kinds(**OFF, **NONE, tune={"trials": 2}) == [*plain, "guard"]
    facts = Config.model_validate({**TREE, "tune": {"item_text": "facts"}}).tune.methods
    assert "guard_facts" not in facts
    assert {"guard", "pool_facts", "hnlmrec_item"} <= set(facts)
    assert kinds(**OFF, tune={"methods": ["dns", "hnlmrec"]}) == ["dns", "hnlmrec"]


def test_results_need_test_rows():
    check("results")
    check("results", prepare={"split": {"method": "leave_last_out", "test": 0}})
    with pytest.raises(InputError, match=r"set prepare\.split\.test above 0"):
        check("results", prepare={"split": {"test": 0}})


def test_the_stages_that_methods_need_are_those_that_they_read_something_of():
    def needed(*methods, **sections):
        tree = {**TREE, "stages": "needed", "tune": {"methods": methods}, **sections}
        return [stage.name for stage in STAGES if stage.enabled(Config.model_validate(tree))]

    ends = (["ingest", "prepare"], ["trials", "results"])
    assert needed("rns", "ease") == [*ends[0], *ends[1]]
    assert needed("rns", "alpharec") == [*ends[0], "item_profiles", *ends[1]]
    written = ["item_profiles", "user_profiles", "semantic_negatives"]
    assert needed("rns", "pool", **OFF) == [*ends[0], *written, "negative_pool", *ends[1]]
    tuned = ["teacher", "records", "finetune", "embeddings"]
    assert needed("rns", "hnlmrec") == [*ends[0], *written, *tuned, "negative_pool", *ends[1]]
    judged = ["item_profiles", "user_profiles", "candidates", "judgements"]
    assert needed("rns", evidence={"judge": True}) == [*ends[0], *judged, *ends[1]]
    everything = TREE | {"tune": {"methods": ["rns"]}}
    assert all(stage.enabled(Config.model_validate(everything | {"evidence": {"judge": True}})) for stage in STAGES)
    left_out = [stage.name for stage in STAGES if not stage.enabled(Config.model_validate(everything))]
    assert left_out == ["candidates", "judgements"]


def test_each_declared_stage_is_in_the_pipeline_once():
    files = [import_module(module.name) for module in iter_modules(stages.__path__, f"{stages.__name__}.")]
    declared = [value for file in files for value in vars(file).values() if isinstance(value, Stage)]
    assert sorted(stage.name for stage in declared) == sorted(stage.name for stage in STAGES)


def test_every_table_of_a_stage_has_a_schema_and_keys():
    written = {table for stage in STAGES for table in stage.outputs}
    assert written == TABLES.keys()
    assert {name for name in written if not KEYS.get(name)} == {"raw_interactions", "rejected_lines"}


def test_every_stage_that_a_plan_foresees_says_what_it_takes():
    costs = {stage.name: cost_of(stage) for stage in STAGES if stage.name not in {"ingest", "prepare"}}
    assert [name for name, cost in costs.items() if not isinstance(cost, StageCost)] == []
    asked = {name for name, cost in costs.items() if cost.asking is not None}
    assert asked == {stage.name for stage in STAGES if stage.writes_texts}


def test_a_stage_without_a_cost_is_told_in_the_plan():
    silent = replace(find_stage("records"), cost="")
    planned = Planner(None, None).planned(StandingStage(silent, "missing"))
    assert (planned.name, planned.rows, planned.seconds) == ("records", None, None)
    assert planned.basis == "not known: the stage declares no cost"


def test_declarations_load_neither_ray_nor_torch_and_running_loads_no_plan():
    code = "import sys, hnlm_ray.cli, hnlm_ray.pipeline.run; print([m for m in sys.argv[1:] if m in sys.modules])"
    command = [sys.executable, "-c", code, "ray", "torch", "hnlm_ray.plan"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
