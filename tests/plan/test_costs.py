"""Sums, prices, budgets and limits: pure arithmetic of a plan."""

import pytest
from small_run import small_config

from hnlm_ray.base.errors import InputError
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.plan.estimate.durations import STAGE_S, engine_seconds, http_seconds
from hnlm_ray.plan.figures import Planned, parse_rate, total_of
from hnlm_ray.plan.known.answers import Answers
from hnlm_ray.plan.known.rates import Rates, known_engine
from hnlm_ray.plan.planning import budget_end, priced
from hnlm_ray.plan.remembering import Seen, corrected
from hnlm_ray.workspace import Tokens


def llm_stage(name="item_profiles", tokens_in=2_000_000, tokens_out=500_000, **more):
    return Planned(name=name, state="missing", tokens=Tokens(tokens_in=tokens_in, tokens_out=tokens_out), **more)


def config(tmp_path, **changes):
    return small_config(tmp_path, tmp_path / "ws", **changes)


PRICES = {"llm__prices": {"input_per_million": 2, "output_per_million": 10, "gpu_hour": 3}}


def test_tokens_cost_where_an_llm_is_asked_and_gpu_hours_everywhere(tmp_path):
    both = config(tmp_path, **PRICES)
    assert priced(both, llm_stage(gpu_hours=2.0), asks_llm=True).cost == pytest.approx(2 * 2 + 0.5 * 10 + 2 * 3)
    assert priced(both, llm_stage("finetune", gpu_hours=2.0), asks_llm=False).cost == pytest.approx(6)
    assert priced(both, llm_stage("finetune"), asks_llm=False).cost is None
    assert priced(config(tmp_path), llm_stage(gpu_hours=2.0), asks_llm=True).cost is None


def test_a_total_adds_up_what_is_known_and_takes_the_largest_memory():
    total = total_of([llm_stage(memory_mib=5, seconds=2, prompts=7), llm_stage("finetune", memory_mib=9, seconds=3)])
    assert (total.tokens.tokens_in, total.memory_mib, total.seconds, total.prompts) == (4_000_000, 9, 5, 7)
    assert (total.cost, total.gpu_hours, total.disk_mib) == (None, None, None)


@pytest.mark.parametrize(
    ("budget", "spent", "stage"),
    [
        ({"max_tokens": 6_000_000}, (0, 0), None),
        ({"max_tokens": 4_000_000}, (0, 0), "user_profiles"),
        ({"max_tokens": 6_000_000}, (2_000_000, 0), "user_profiles"),
        ({"max_cost": 8.9}, (0, 0), "item_profiles"),
        ({"max_cost": 18.1}, (0, 0), None),
    ],
)
def test_a_plan_says_where_a_budget_ends(tmp_path, budget, spent, stage):
    fresh = Planned(name="judgements", state="fresh")
    told = budget_end(
        config(tmp_path, llm__budget=budget, **PRICES), [fresh, llm_stage(), llm_stage("user_profiles")], spent
    )
    assert (told is None) if stage is None else f"would be spent in stage {stage} " in told


ANSWERS = Answers(((1000.0, 100.0),) * 4, 1.5, (10,), "measured")


def test_the_tightest_limit_of_a_server_tells_its_time():
    limits = {"base_url": "http://127.0.0.1:1/v1", "model": "m", "concurrency": 10}
    free = HttpConfig(**limits)
    assert http_seconds(free, ANSWERS, 60, 2, (1000, 100)) == pytest.approx(60 * 2 / 20)
    assert http_seconds(HttpConfig(**limits, requests_per_minute=3), ANSWERS, 60, 2, None) == pytest.approx(30 * 60)
    assert http_seconds(HttpConfig(**limits, tokens_per_minute=1100), ANSWERS, 60, 2, None) == pytest.approx(60 * 60)


def test_a_given_rate_is_that_of_one_engine(tmp_path):
    two = config(tmp_path, llm__engines=2, llm__batch_rows=32)
    engine = known_engine(two, Rates(), None, parse_rate("20000, 500"))
    seconds = engine_seconds(two, ANSWERS, engine.rate, 1000)
    assert seconds - STAGE_S - engine.rate.start_s == pytest.approx(500 * (1000 / 20000 + 100 / 500), rel=0.01)


@pytest.mark.parametrize("text", ["", "5", "5,", "0,3", "-1,3", "nan,1", "1,inf", "1,2,3", "a,b", "1e999,1"])
def test_a_rate_that_is_none_is_one_sentence(text):
    with pytest.raises(InputError, match=r"is no rate: give tokens/s"):
        parse_rate(text)


def test_a_finished_stage_corrects_the_prices_so_that_it_would_have_been_foreseen(tmp_path):
    one = config(tmp_path, llm__engine="vllm")
    known = known_engine(one, Rates(), 10**8, None).rate
    rows = [{"tokens_in": 200, "tokens_out": 50, "attempts": 1}] * 100
    foreseen = engine_seconds(one, Answers(((200.0, 50.0),) * 100, 1.0, (), ""), known, 2000)
    slow = corrected(one, known, Seen(rows, 2000, 3 * foreseen))
    again = engine_seconds(one, Answers(((200.0, 50.0),) * 100, 1.0, (), ""), slow, 2000)
    assert again == pytest.approx(3 * foreseen, rel=0.01)
    assert corrected(one, known, Seen(rows, 5, known.start_s + STAGE_S + 1)) == known
