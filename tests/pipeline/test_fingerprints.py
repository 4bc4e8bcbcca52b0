"""What a stage's fingerprint holds: all that shapes its output, and nothing else."""

import sys

import pytest

from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.status import find_stage


@pytest.fixture
def depends_on(config_file):
    def depends_on(stage, *overrides):
        return find_stage(stage).depends_on(load_config(str(config_file), overrides))

    return depends_on


@pytest.mark.parametrize(
    ("stage", "override"),
    [("trials", "cf.model=mf"), ("trials", "cf.sampler=pool"), ("ingest", "source.max_bad_share=0.5")],
)
def test_what_does_not_shape_the_output_is_left_out(depends_on, stage, override):
    assert depends_on(stage, override) == depends_on(stage)


@pytest.mark.parametrize(
    ("stage", "override"),
    [
        *(
            ("trials", override)
            for override in (
                "cf.init=normal",
                "cf.adam.epsilon=1e-6",
                "cf.dim=8",
                "cf.base_sampler=dns",
                "tune.models=[mf]",
            )
        ),
        ("semantic_negatives", "negatives.choose=random"),
        ("negative_pool", "negatives.nearest_weight=0.4"),
        ("trials", "cf.teacher.llm_profile=0.1"),
        ("teacher", "teacher.cf.teacher.llm_profile=0.1"),
        ("embeddings", "embeddings.choose=random"),
    ],
)
def test_what_shapes_it_is_in(depends_on, stage, override):
    assert depends_on(stage, override) != depends_on(stage)


def test_a_teacher_of_before_its_start_could_be_chosen_stays_fresh_where_that_start_is_named(depends_on):
    as_before = ("teacher.cf.init=normal", "teacher.cf.init_std=0.1")
    trained = depends_on("teacher", *as_before)["teacher"]["cf"]
    assert not {"init", "init_std", "adam"} & trained.keys()
    assert "magnitude" not in trained["softmax"]
    assert "init_std" not in trained["ials"]
    assert "llm_profile" not in trained["teacher"]
    softmax = depends_on("teacher", *as_before, "teacher.cf.loss=softmax")["teacher"]["cf"]
    assert "magnitude" not in softmax["softmax"]
    assert "init" in depends_on("teacher")["teacher"]["cf"]
    for other in ("teacher.cf.init_std=0.2", "teacher.cf.adam.beta_1=0.5"):
        assert depends_on("teacher", as_before[0], other) != depends_on("teacher", *as_before)


def test_to_mend_answers_is_in_only_where_it_is_on_and_nothing_was_stale_when_the_setting_came(depends_on):
    for stage in ("item_profiles", "user_profiles", "judgements", "semantic_negatives"):
        assert depends_on(stage, "llm.repair_json=false") == depends_on(stage)
        assert "repair_json" not in depends_on(stage)["llm"]
        assert depends_on(stage, "llm.repair_json=true")["llm"]["repair_json"] is True


@pytest.mark.parametrize("stage", ["trials", "results"])
def test_the_encoder_shapes_what_reads_text_and_nothing_else(depends_on, stage):
    changed = "llm.encoder=trigrams"
    assert depends_on(stage, changed) != depends_on(stage)
    without = "tune.methods=[rns, pool, guard_no_text]"
    assert depends_on(stage, changed, without) == depends_on(stage, without)


def test_the_length_of_the_lists_trains_no_model_anew(depends_on):
    assert depends_on("final_model", "recommend.k=7") == depends_on("final_model")
    assert depends_on("recommendations", "recommend.k=7") != depends_on("recommendations")
    for stage in ("final_model", "recommendations"):
        assert depends_on(stage, "recommend.train_on=train") != depends_on(stage)


def test_a_share_of_the_training_rows_shapes_the_data_and_all_of_them_as_if_there_were_no_such_setting(depends_on):
    assert depends_on("prepare", "prepare.split.train_share=0.5") != depends_on("prepare")
    assert "train_share" not in depends_on("prepare")["prepare"]["split"]


OWN = """
from hnlm_ray.cf import CandidateSampler, Negatives


class Second(CandidateSampler):
    def sample(self, batch, embeddings):
        return Negatives(self.draw_candidates(batch)[:, 1])
"""


def test_the_source_of_a_class_of_one_s_own_is_in_and_only_where_one_is_used(depends_on, tmp_path, monkeypatch):
    place = tmp_path / "own_fingerprinted.py"
    place.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HNLM_PLUGINS", "own_fingerprinted")
    name = "own_fingerprinted:Second"
    fixed, searched = f"{{sampler: '{name}'}}", f"{{sampler: {{choice: [dns, '{name}']}}}}"
    method = "tune.spaces={{second: {{extends: dns, family: classical, reads: nothing, {}}}}}"
    both = "tune.methods=[dns, second]"
    uses = {
        "fixed": ("trials", method.format(f"fixed: {fixed}"), both),
        "searched": ("trials", method.format(f"space: {searched}"), both),
        "taught": ("teacher", f"teacher.cf.sampler={name}"),
    }
    try:
        before = {use: depends_on(*asked) for use, asked in uses.items()}
        assert all(found["own_classes"].keys() == {name} for found in before.values())
        place.write_text(f"{OWN}# more\n")
        assert all(depends_on(*asked) != before[use] for use, asked in uses.items())
        place.write_text(OWN)
        assert {use: depends_on(*asked) for use, asked in uses.items()} == before
        without = [depends_on("trials"), depends_on("teacher"), depends_on("trials", f"cf.sampler={name}")]
        without.append(depends_on("trials", method.format(f"fixed: {fixed}")))  # it is not compared
        assert not any("own_classes" in found for found in without)
    finally:
        sys.modules.pop("own_fingerprinted", None)
