"""From a row to its one outcome, and the scripted engine."""

import asyncio
from collections import Counter

import pytest

from hnlm_ray.config import ScriptedConfig
from hnlm_ray.llm.engines.base import EngineDied, Generated
from hnlm_ray.llm.engines.scripted import ScriptedEngine, poison_of
from hnlm_ray.llm.rows.attempts import Asking, Spent
from hnlm_ray.llm.rows.job import LLMTask
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.prompts import load_prompt

PROMPT, SIMPLE = load_prompt("item_profile.v1"), load_prompt("item_profile.simple.v1")
PROFILE = AnswerFormat({"summarization": 80, "reasoning": 40})
TASK = LLMTask("item_profiles", ("item",), 1, lambda _: [], PROFILE, {}, 32, PROMPT, SIMPLE)
DATA = {"title": "x" * 300, "reviews": ["a", "b", "c", "d", "e"]}
GOOD = '{"summarization": "fine", "reasoning": "so"}'
TOO_LONG = Generated(status="too_long", error="too long")


class Playback:
    """Answers from a list; an answer that is an exception is raised, a number is a wait."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def generate(self, request):
        self.asked.append(request)
        answer = self.answers[len(self.asked) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return Generated(GOOD)
        return answer


class Purse:
    """Allows so many requests, and notes what they took."""

    def __init__(self, requests):
        self.left, self.settled = requests, []

    async def reserve(self, _):
        self.left -= 1
        return self.left >= 0

    async def settle(self, _, generated):
        self.settled.append((generated.tokens_in, generated.tokens_out))


def ask(engine, attempts=3, number=1, *, timeout=5.0, purse=None, before=None):
    async def outcome():
        asking = Asking(engine, TASK, attempts, timeout, purse)
        return await asking.outcome((number,), DATA, before or Spent())

    return asyncio.run(outcome())


def test_an_invalid_answer_is_drawn_again_and_its_tokens_are_counted():
    engine = Playback(Generated("junk", 10, 5), Generated(GOOD, 10, 7))
    outcome = ask(engine)
    assert (outcome.parsed.status, outcome.attempts, outcome.tokens_in, outcome.tokens_out) == ("ok", 2, 20, 12)
    assert [request.attempt for request in engine.asked] == [1, 2]
    assert outcome.prompt_version == PROMPT.version


def test_an_answer_that_is_almost_json_is_mended_where_that_is_asked_for_and_not_drawn_again():
    almost = Generated(GOOD.replace('"', "'"), 10, 5)
    mending = Asking(Playback(almost), TASK, 3, 5.0, repair=True)
    outcome = asyncio.run(mending.outcome((1,), DATA))
    assert (outcome.parsed.status, outcome.parsed.error, outcome.attempts) == ("ok", "repaired JSON", 1)
    assert ask(Playback(almost, Generated(GOOD))).attempts == 2


@pytest.mark.parametrize(("text", "told"), [("hm", "max_tokens 32"), ("<think>hm", "enable_thinking: false")])
def test_an_answer_that_reached_its_limit_names_the_setting_to_change(text, told):
    outcome = ask(Playback(Generated(text, finished=False)), attempts=1)
    assert outcome.parsed.status == "truncated"
    assert told in outcome.parsed.error


def test_the_last_attempt_is_asked_in_a_simpler_way_and_then_the_failure_is_recorded():
    engine = Playback(*[Generated("junk", 1, 1)] * 3)
    outcome = ask(engine)
    assert (outcome.parsed.status, outcome.attempts, outcome.prompt_version) == ("invalid", 3, SIMPLE.version)
    first, _, last = engine.asked
    assert (first.messages[0]["content"], last.messages[0]["content"]) == (PROMPT.system, SIMPLE.system)
    assert "x" * 300 in first.messages[1]["content"]
    assert "x" * 121 not in last.messages[1]["content"]
    assert '"d"' in last.messages[1]["content"]
    assert '"e"' not in last.messages[1]["content"]
    assert (list(first.expected.fields), list(last.expected.fields)) == (
        ["summarization", "reasoning"],
        ["summarization"],
    )


def test_a_simpler_answer_has_the_deciding_field_alone():
    outcome = ask(Playback(Generated("junk"), Generated("junk"), Generated('{"summarization": "fine"}')))
    assert (outcome.parsed.status, dict(outcome.parsed.fields)) == ("ok", {"summarization": "fine"})


def test_one_attempt_is_the_whole_prompt():
    engine = Playback(Generated("junk"))
    assert ask(engine, attempts=1).prompt_version == PROMPT.version


def test_what_the_model_can_t_tell_is_not_asked_again():
    engine = Playback(Generated('{"summarization": "None", "reasoning": "?"}'))
    outcome = ask(engine)
    assert (outcome.parsed.status, outcome.attempts) == ("none", 1)


def test_a_prompt_that_is_too_long_is_asked_in_a_simpler_way_at_once_and_only_once():
    assert ask(Playback(TOO_LONG, Generated('{"summarization": "fine"}'))).parsed.status == "ok"
    outcome = ask(Playback(TOO_LONG, TOO_LONG))
    assert (outcome.parsed.status, outcome.attempts, outcome.parsed.error) == ("too_long", 2, "too long")


def test_a_row_that_hangs_beside_others_that_are_answered_is_an_error_of_the_row():
    async def together():
        asking = Asking(Playback(60.0, Generated(GOOD), 60.0), TASK, 3, 0.2)
        hanging = asyncio.create_task(asking.outcome((1,), DATA))
        await asyncio.sleep(0.1)
        answered = await asking.outcome((2,), DATA)
        return answered, await hanging  # nobody is answered during its second attempt

    answered, hung = asyncio.run(together())
    assert answered.parsed.status == "ok"
    assert (hung.parsed.status, hung.attempts) == ("engine_error", 2)
    assert "no answer in 0.2 s" in hung.parsed.error


def test_an_engine_that_answers_nobody_is_dead():
    with pytest.raises(EngineDied, match="answered nothing"):
        ask(Playback(60.0), timeout=0.1)


def test_a_death_of_the_engine_is_no_outcome_of_a_row_and_pays_nothing():
    purse = Purse(1)
    with pytest.raises(EngineDied):
        ask(Playback(EngineDied("gone")), purse=purse)
    assert purse.settled == [(0, 0)]


def test_a_row_that_the_budget_does_not_allow_has_no_outcome():
    purse = Purse(1)
    assert ask(Playback(Generated("junk", 10, 5)), purse=purse) is None
    assert purse.settled == [(10, 5)]


def test_what_a_row_took_before_is_added_and_its_attempts_count_on():
    engine = Playback(Generated("junk", 1, 1), Generated(GOOD, 10, 7))
    outcome = ask(engine, before=Spent(3, 30, 20))
    assert [request.attempt for request in engine.asked] == [4, 5]
    assert (outcome.attempts, outcome.tokens_in, outcome.tokens_out) == (5, 41, 28)


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


@pytest.mark.parametrize(
    ("poison", "status", "error"),
    [
        ("invalid", "invalid", "no JSON"),
        ("empty", "invalid", "the answer is empty"),
        ("endless", "truncated", "token limit"),
        ("refusal", "refused", "sorry"),
    ],
)
def test_poison_fails_at_every_attempt(poison, status, error):
    outcome = ask(ScriptedEngine(ScriptedConfig(poison={poison: 1.0})))
    assert (outcome.parsed.status, outcome.attempts) == (status, 3)
    assert error in outcome.parsed.error
    assert len(outcome.parsed.error) < 200


def test_poison_comes_in_the_shares_asked_for():
    config = ScriptedConfig(poison={"crash": 0.1, "empty": 0.2})
    seen = Counter(poison_of(config, str(number)) for number in range(2000))
    assert 150 < seen["crash"] < 250
    assert 320 < seen["empty"] < 480
    assert seen.total() - seen["crash"] - seen["empty"] == seen[None]
