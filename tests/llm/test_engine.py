"""The loop that turns a request into one outcome, and the scripted engine."""

import asyncio
from collections import Counter

import pytest

from hnlm_ray.config import ScriptedConfig
from hnlm_ray.llm.answers import AnswerFormat
from hnlm_ray.llm.engine import Generated, Request, answer
from hnlm_ray.llm.scripted_engine import ScriptedEngine

PROFILE = AnswerFormat({"summarization": 80, "reasoning": 40})
GOOD = '{"summarization": "fine", "reasoning": "so"}'


class Playback:
    """Answers from a list."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def generate(self, request, expected, attempt):
        self.asked.append(attempt)
        return self.answers[attempt - 1]

    def shutdown(self):
        pass


def ask(engine, attempts=3, number=1):
    return asyncio.run(answer(engine, Request(f"r{number}", [{"role": "user", "content": "x"}], 32), PROFILE, attempts))


def test_an_invalid_answer_is_drawn_again_and_its_tokens_are_counted():
    engine = Playback(Generated("junk", 10, 5), Generated(GOOD, 10, 7))
    outcome = ask(engine)
    assert (outcome.parsed.status, outcome.attempts, outcome.tokens_in, outcome.tokens_out) == ("ok", 2, 20, 12)
    assert engine.asked == [1, 2]


def test_the_last_failure_is_recorded_after_the_attempts_are_used_up():
    outcome = ask(Playback(*[Generated("junk", 1, 1)] * 3))
    assert (outcome.parsed.status, outcome.attempts) == ("invalid", 3)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (Generated('{"summarization": "None", "reasoning": "?"}'), "none"),
        (Generated(status="too_long", error="too long"), "too_long"),
    ],
)
def test_what_another_draw_would_not_change_is_not_asked_again(first, status):
    outcome = ask(Playback(first))
    assert (outcome.parsed.status, outcome.attempts) == (status, 1)


def test_a_dead_engine_is_retried_like_an_invalid_answer():
    outcome = ask(Playback(Generated(status="engine_error", error="died"), Generated(GOOD)))
    assert outcome.parsed.status == "ok"


def test_the_scripted_engine_answers_the_same_always_and_differs_by_request():
    first, again = (ask(ScriptedEngine(ScriptedConfig())) for _ in range(2))
    other = ask(ScriptedEngine(ScriptedConfig()), number=2)
    assert first == again
    assert first.parsed.fields != other.parsed.fields


def test_the_scripted_engine_fails_in_the_shares_asked_for():
    engine = ScriptedEngine(ScriptedConfig(bad_json=0.2, none=0.1, engine_error=0.1))
    seen = Counter(ask(engine, attempts=1, number=number).parsed.status for number in range(1000))
    assert 140 < seen["invalid"] < 260
    assert 60 < seen["none"] < 140
    assert 60 < seen["engine_error"] < 140
    assert seen["ok"] == 1000 - seen["invalid"] - seen["none"] - seen["engine_error"]
