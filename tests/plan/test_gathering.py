"""What is known is not measured again; what costs money or GPUs is not measured unasked."""

from contextlib import contextmanager

import pytest
from small_run import small_config

from hnlm_ray.base.errors import ResourceError
from hnlm_ray.base.progress import LineProgress
from hnlm_ray.llm.models import embedded_llm_folder
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.plan.estimate.stage_cost import asked_of
from hnlm_ray.plan.figures import Options
from hnlm_ray.plan.gathering import gather
from hnlm_ray.plan.known.answers import key_of
from hnlm_ray.plan.known.rates import AnswerRate, EngineRate, changed_rates, engine_key
from hnlm_ray.plan.sizes import read_prepared
from hnlm_ray.plan.task import Task

EMBEDDED = embedded_llm_folder()
LLM_STAGES = [stage for stage in STAGES if stage.writes_texts]


class MeasuringError(Exception):
    """Instead of Ray."""


@contextmanager
def no_ray(stages):
    if stages:
        raise MeasuringError([stage.name for stage in stages])
    yield LineProgress(None)


@pytest.fixture
def task_of(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))
    # The checkpoint stays where it is: only the rates are to be a test's own.
    monkeypatch.setattr("hnlm_ray.llm.models.embedded_llm_folder", lambda: EMBEDDED)

    def make(**changes):
        config = small_config(tmp_path, prepared.uri, **{"llm__engine": "vllm", **changes})
        return Task(config, prepared, read_prepared(prepared), LLM_STAGES, None, None)

    return make


def remember(task):
    with changed_rates() as rates:
        rates.engines[engine_key(task.config)] = EngineRate(start_s=9, step_s=0.1, request_s=0.2, prompt_token_s=0.3)
        for asking in asked_of(LLM_STAGES).values():
            rate = AnswerRate(tokens_out=(30, 50), tries=1.5, chars=(100,), source="run", day="2020-02-02")
            rates.answers[key_of(task.config, asking.task(task.config, task.workspace))] = rate


def test_an_engine_is_measured_until_all_about_it_is_remembered(task_of):
    task = task_of()
    with pytest.raises(MeasuringError, match="semantic_negatives"):
        gather(task, Options(sample=4), no_ray)
    remember(task)
    found = gather(task, Options(sample=16), no_ray)
    assert found.engine.rate.cost.request_s == 0.2
    answers = found.answers["user_profiles"]
    assert "measured by an earlier run on 2020-02-02" in answers.source
    assert {out for _, out in answers.sample} == {30, 50}
    assert all(tokens_in > 100 for tokens_in, _ in answers.sample)
    with pytest.raises(MeasuringError):
        gather(task, Options(measure=True), no_ray)
    with pytest.raises(MeasuringError):
        gather(task_of(profiles__user_max_tokens=77), Options(), no_ray)


def test_profiles_that_are_not_written_yet_lengthen_the_prompts_that_hold_them(task_of):
    task = task_of()
    remember(task)
    long = gather(task, Options(), no_ray).answers
    with changed_rates() as rates:
        for key, rate in rates.answers.items():
            rates.answers[key] = rate.model_copy(update={"chars": (0,)})
    short = gather(task, Options(), no_ray).answers
    assert long["item_profiles"].means[0] == short["item_profiles"].means[0]
    for stage in ("user_profiles", "semantic_negatives"):
        assert long[stage].means[0] > 1.1 * short[stage].means[0]


def test_a_server_and_a_given_rate_are_not_measured_unasked(task_of):
    server = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    assert gather(task_of(llm__http=server, llm__engine="http"), Options(), no_ray).measured_tokens == 0
    given = gather(task_of(llm__gpus_per_engine=1), Options(rate=(1000, 100)), no_ray)
    assert given.engine.given == (1000, 100)


def test_gpus_that_are_not_there_are_one_sentence(task_of, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ResourceError, match=r"takes 1 GPUs and this machine has 0: plan with --no-measure"):
        gather(task_of(llm__gpus_per_engine=1), Options(), no_ray)
