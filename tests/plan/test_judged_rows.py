"""What a plan says of judgements: prompts with drawn candidates, and rows as far as the budget lasts."""

import pytest
from small_run import small_config

from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.plan.known.answers import Answers
from hnlm_ray.plan.known.rates import EngineRate, KnownEngine, Rates
from hnlm_ray.plan.known.works import known_works
from hnlm_ray.plan.measure.sampling import Sampler, judgement_sample
from hnlm_ray.plan.planning import Planner, StandingStage
from hnlm_ray.plan.sizes import read_prepared
from hnlm_ray.plan.task import Found, Task

ENGINE = KnownEngine(EngineRate(start_s=1, step_s=0.1, request_s=0.1, prompt_token_s=0.01), "assumed")
ANSWERS = Answers(((300.0, 90.0), (500.0, 110.0)), 1.5, (20,), "tokens and time: measured")


def planned(prepared, tmp_path, **evidence):
    changes = {f"evidence__{name}": value for name, value in {"judge": True, **evidence}.items()}
    config = small_config(tmp_path, prepared.uri, **changes)
    stages = [find_stage(name) for name in ("candidates", "judgements")]
    task = Task(config, prepared, read_prepared(prepared), stages, None, None)
    works = known_works(task.work, Rates())
    planner = Planner(task, Found({"judgements": ANSWERS}, {}, ENGINE, works, task.data, 0.0))
    return [planner.planned(StandingStage(stage, "missing")) for stage in stages]


def test_sampled_prompts_list_items_of_the_catalogue_by_number(prepared, tmp_path):
    config = small_config(tmp_path, prepared.uri, evidence__judge=True, evidence__candidates=5)
    prompts = judgement_sample(Sampler(config, prepared, 6), {})
    assert len(prompts) == 6
    for prompt in prompts:
        listed = prompt.content["candidates"]
        assert [item["number"] for item in listed] == [1, 2, 3, 4, 5]
        assert len({item["title"] for item in listed}) == 5
    assert prompts == judgement_sample(Sampler(config, prepared, 6), {})


@pytest.mark.parametrize(
    ("limits", "rows"),
    [({}, 30), ({"users": 7}, 7), ({"token_budget": 6000, "max_tokens": 200}, 10), ({"token_budget": 1}, 0)],
)
def test_rows_tokens_and_time_are_those_of_the_users_whom_the_limits_allow(prepared, tmp_path, limits, rows):
    candidates, judgements = planned(prepared, tmp_path, **limits)
    assert (candidates.rows, judgements.rows) == (rows, rows)
    assert (judgements.tokens.tokens_in, judgements.tokens.tokens_out) == (400 * rows, 100 * rows)
    assert (judgements.prompts, candidates.prompts) == (round(1.5 * rows), None)
    assert (judgements.seconds > 0) == bool(rows)
    assert candidates.seconds > 0
    assert candidates.memory_mib is not None
    assert judgements.disk_mib > 0
