"""What a stage's check refuses before hours of other stages have run."""

import pytest

from hnlm_ray.config import Config
from hnlm_ray.errors import InputError
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage

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
