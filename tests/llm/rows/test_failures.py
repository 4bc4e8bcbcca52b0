"""Failed rows grouped by why, and the verdict on a stage whose first rows all fail."""

import asyncio
from types import SimpleNamespace

import pyarrow as pa
import pytest

from hnlm_ray.base.errors import StageError
from hnlm_ray.base.text import folded, shown
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.rows import failures
from hnlm_ray.llm.rows.failures import Failures, FirstRows, first_rows, remedy_of
from hnlm_ray.llm.rows.job import LLMTask, RowTask
from hnlm_ray.llm.text.answers import AnswerFormat, Parsed
from hnlm_ray.llm.text.objects import THINKING_OFF
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.workspace.tables import TABLES

OUTCOME = {"attempts": 2, "tokens_in": 30, "tokens_out": 4, "prompt_version": "p", "model": "m"}
OUTCOME |= {"prompt_cut": 0, "prompt_defused": False}


def table(*rows):
    made = [{"item": item, "status": status, "error": error, **OUTCOME} for item, status, error in rows]
    return pa.Table.from_pylist(made, schema=TABLES["item_profiles"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("123 prompt and 64 answer tokens exceed 187", "N prompt and N answer tokens exceed N"),
        ("field 'summary' has 1,200 characters", "field '...' has N characters"),
        ('no "key" in `{"a": 1}` after 3.5 s', "no '...' in '...' after N s"),
        ("it doesn't answer, can't say", "it doesn't answer, can't say"),
    ],
)
def test_numbers_and_quoted_text_do_not_tell_reasons_apart(message, reason):
    assert folded(message) == reason


def test_rows_of_several_files_are_counted_by_reason_with_the_first_as_examples():
    found = Failures(("item",), most_examples=2)
    found.add(table((0, "ok", None), (1, "invalid", "12 left"), (2, "invalid", "13 left")))
    found.add(table((3, "none", None), (4, "invalid", "9 left"), (5, "refused", None), (6, "truncated", "9 left")))
    assert found.rows == 7
    groups = found.groups()
    assert [(group.status, group.message, group.rows) for group in groups] == [
        ("invalid", "N left", 3),
        ("refused", "no message", 1),
        ("truncated", "N left", 1),
    ]
    assert groups[0].examples == [((1,), "12 left"), ((2,), "13 left")]
    assert (groups[0].attempts, groups[0].tokens_in, groups[0].tokens_out) == (6, 90, 12)


def test_messages_without_end_take_no_memory_without_end(monkeypatch):
    monkeypatch.setattr(failures, "_MOST_GROUPS", 3)
    found = Failures(("item",), most_examples=1)
    found.add(table(*((item, "invalid", "word " * 500 + chr(97 + item)[:1] + "x" * item) for item in range(20))))
    found.add(table(*((item, "invalid", chr(97 + item) * 4) for item in range(20))))
    assert len(found.groups()) <= 4
    assert sum(group.rows for group in found.groups()) == 40
    assert all(len(group.message) <= 300 for group in found.groups())


def test_a_message_is_shown_on_one_line_without_control_characters_and_secrets():
    assert shown("a\x1b[2J\n\tb http://me:pw@host/?token=abc") == "a\\x1b[2J b http://***@host/?token=***"
    assert shown(None) == "no message"


def judged(outcomes, most=5, late=()):
    """Ask rows together, each of which ends so; return the rows that were begun and the errors of the others."""
    begun, stopped = [], []

    async def row(number, outcome, first):
        try:
            await first.enter()
        except StageError as error:
            stopped.append(str(error))
            return
        begun.append(number)
        await asyncio.sleep(0.05 if number in late else 0)
        await first.leave(outcome, f"answer {number}\x1b[2J" + " x" * 5000)

    async def together():
        first = FirstRows(most, lambda status: f"mend {status}")
        await asyncio.gather(*(row(number, outcome, first) for number, outcome in enumerate(outcomes)))

    asyncio.run(together())
    return begun, stopped


BAD, CUT, OK = Parsed("invalid", error="no JSON: 'hm'"), Parsed("truncated", error="cut"), Parsed("ok")


def test_when_the_first_rows_all_fail_alike_no_other_is_asked_and_the_sentence_says_what_to_do():
    begun, stopped = judged([BAD] * 20)
    assert begun == [0, 1, 2, 3, 4]
    assert len(stopped) == 15
    (told,) = set(stopped)
    for part in (
        "the first 5 rows all ended as 'invalid' (no JSON: 'hm')",
        ": mend invalid; ",
        "one answer was 'answer 0[2J x",
    ):
        assert part in told
    assert "`--retry failed:invalid`" in told
    assert len(told) < 600
    assert told.isprintable()


def test_a_reason_that_names_the_settings_of_thoughts_is_followed_by_no_other_remedy():
    thought = Parsed("invalid", error=f"the answer is empty, though the model thought: set {THINKING_OFF}")
    (told,) = set(judged([thought] * 9)[1])
    assert "enable_thinking" in told
    assert "mend invalid" not in told


@pytest.mark.parametrize("good", [OK, Parsed("none"), CUT])
def test_one_row_that_ends_otherwise_lets_all_be_asked(good):
    for place in (0, 4):
        outcomes = [BAD] * 20
        outcomes[place] = good
        assert len(judged(outcomes, late=(place,))[0]) == 20


def test_a_row_without_an_outcome_gives_its_place_to_another():
    begun, stopped = judged([None, None, *[BAD] * 10])
    assert (begun, len(stopped)) == ([0, 1, 2, 3, 4, 5, 6], 5)


def test_no_verdict_is_asked_for_where_all_the_rows_to_do_may_fail():
    assert len(judged([BAD] * 20, most=0)[0]) == 20
    assert first_rows(0.5, 1000, 501) == 50
    assert first_rows(0.5, 1000, 500) == first_rows(1.0, 1000, 1000) == 0


@pytest.mark.parametrize("status", ["invalid", "truncated", "too_long", "refused", "engine_error", "other"])
def test_the_remedy_names_settings_of_the_engine_that_is_asked(status):
    prompt = load_prompt("item_profile.v1")
    task = LLMTask("t", ("item",), 1, list, AnswerFormat({"a": 9}), {}, 32, prompt, prompt, "profiles.item_max_tokens")
    served = LLMConfig.model_validate({"engine": "http", "http": {"base_url": "http://127.0.0.1:9/v1", "model": "m"}})
    here, there = (remedy_of(status, SimpleNamespace(task=task, llm=llm)) for llm in (LLMConfig(), served))
    assert "llm.http" not in here
    assert ("profiles.item_max_tokens" in here) == ("enable_thinking" in there) == (status == "truncated")
    plain = RowTask("t", ("item",), 1, list)
    assert remedy_of(status, SimpleNamespace(task=plain, llm=served)) == "mend the model, the prompt or the limits"
