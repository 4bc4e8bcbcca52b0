"""Rates are remembered across processes, and a damaged file costs a measurement, no run."""

import multiprocessing

import pytest
from small_run import small_config

from hnlm_ray.plan.known.rates import (
    AnswerRate,
    EngineRate,
    Rates,
    WorkRate,
    answer_key,
    changed_rates,
    engine_key,
    rates_path,
    read_rates,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path / "cache"))


ENGINE = EngineRate(start_s=30, step_s=0.01, request_s=0.001, prompt_token_s=0.0004)


def test_what_was_remembered_is_read_back():
    with changed_rates() as rates:
        rates.engines["e"] = ENGINE
        rates.answers["a"] = AnswerRate(tokens_out=(10, 20), tries=1.5, chars=(0, 40), source="run")
    found = read_rates()
    assert (found.engines["e"], found.answers["a"].tokens_out) == (ENGINE, (10, 20))
    assert [path.name for path in sorted(rates_path().parent.iterdir())] == ["rates.json", "rates.json.lock"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"engines": {"e": {"start_s": "x"}}}', '{"engines": {"e": {"start_s": -1}}}', "\xff",
     '{"answers": {"a": {"tokens_out": [1e400]}}}', '{"work": {"w": {"seconds": NaN}}}'],
)  # fmt: skip
def test_a_damaged_file_counts_as_none_and_is_replaced(text):
    rates_path().parent.mkdir()
    rates_path().write_text(text, encoding="latin-1")
    assert read_rates() == Rates()
    with changed_rates() as rates:
        rates.engines["e"] = ENGINE
    assert read_rates().engines == {"e": ENGINE}


def _remember(number):
    with changed_rates() as rates:
        rates.work[f"w{number}"] = WorkRate(seconds=number)


def test_processes_that_remember_at_the_same_time_lose_nothing():
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_remember, range(24))
    assert len(read_rates().work) == 24


def test_only_so_many_are_kept_and_the_oldest_go_first():
    with changed_rates() as rates:
        for number in range(600):
            rates.work[f"w{number}"] = WorkRate(seconds=1, day=f"2020-01-{1 + number % 20:02}")
        rates.work["new"] = WorkRate(seconds=2)
    kept = read_rates().work
    assert len(kept) == 500
    assert "new" in kept
    assert "2020-01-01" not in {rate.day for rate in kept.values()}


def test_what_changes_speed_or_answers_changes_the_key(tmp_path):
    config = small_config(tmp_path, tmp_path / "ws")
    other = small_config(tmp_path, tmp_path / "ws", llm__dtype="float32")
    retried = small_config(tmp_path, tmp_path / "ws", llm__max_attempts=5)
    asked = ("p.v1", {"summary": 100}, 128)
    assert engine_key(config) != engine_key(other)
    assert answer_key(config, *asked) == answer_key(other, *asked)
    assert len({answer_key(config, *asked), answer_key(retried, *asked), answer_key(config, "p.v2", *asked[1:])}) == 3
