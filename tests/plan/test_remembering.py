"""What a finished stage teaches later plans, and which stages teach."""

import pytest
from small_run import small_config

from hnlm_ray.llm.models import embedded_llm_folder
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.plan.known.rates import read_rates
from hnlm_ray.plan.remembering import remember_run
from hnlm_ray.workspace import Tokens

EMBEDDED = embedded_llm_folder()
ASKED = {"attempts": 2, "tokens_in": 300, "tokens_out": 50, "prompt_version": "p.v1", "model": "m"}
ASKED |= {"status": "ok", "prompt_cut": 0, "prompt_defused": False}


@pytest.fixture
def remember(prepared, publish, tmp_path, monkeypatch):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("hnlm_ray.llm.models.embedded_llm_folder", lambda: EMBEDDED)

    def remember(stage, tokens, **changes):
        publish(prepared, "item_profiles", [{"item": item, "summary": "calm", **ASKED} for item in range(5)])
        publish(prepared, "users", [{"user": 0, "user_id": "0"}])
        found = find_stage(stage)
        done = prepared.table(found.outputs[0] if stage == "item_profiles" else "users").manifest()
        done = done.model_copy(update={"tokens": Tokens(tokens_in=9, tokens_out=tokens), "seconds": 90.0})
        remember_run(small_config(tmp_path, prepared.uri, **changes), prepared, found, done)
        return read_rates()

    return remember


def test_answers_of_a_stage_and_the_pace_of_its_engine_are_remembered(remember):
    rates = remember("item_profiles", 250, llm__engine="vllm")
    (answers,) = rates.answers.values()
    assert (answers.tokens_out, answers.tries, answers.source) == ((50,) * 5, 2.0, "run")
    assert answers.chars == (len("calm"),) * 5
    assert len(rates.engines) == 1


@pytest.mark.parametrize(
    ("stage", "tokens", "engine"),
    [("item_profiles", 250, "scripted"), ("item_profiles", 0, "vllm"), ("embeddings", 250, "vllm")],
)
def test_nothing_is_learned_of_scripted_answers_of_none_and_of_vectors(remember, stage, tokens, engine):
    assert remember(stage, tokens, llm__engine=engine).answers == {}
