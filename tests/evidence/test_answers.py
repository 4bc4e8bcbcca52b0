"""Judgements of an LLM are hostile text: what is usable of them stays, and the rest is counted."""

import json

import pytest
from hostile_answers import HOSTILE_ANSWERS
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.evidence.answers import PROBLEMS, VERDICTS, JudgementFormat
from hnlm_ray.llm.text.answers import parse_answer
from hnlm_ray.workspace.tables import STATUSES

THREE = JudgementFormat.of_candidates(3, 20)
PROSE = "Sure! 1: yes, 2: no. I hope this helps."


def parse(answer, expected=THREE):
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return parse_answer(text, expected, finished=True)


def entry(verdict, reason="a calm drama"):
    return {"reason": reason, "verdict": verdict}


def problems(parsed):
    return {name: parsed.fields[name] for name in PROBLEMS if parsed.fields[name]}


def test_a_whole_answer_has_a_verdict_and_a_reason_for_each_number_and_no_problem():
    parsed = parse({"1": entry("yes"), "2": entry("no", "too loud"), "3": entry("unsure")})
    assert (parsed.status, parsed.fields["verdicts"]) == ("ok", [1, -1, 0])
    assert parsed.fields["reasons"] == ["a calm drama", "too loud", "a calm drama"]
    assert not problems(parsed)


@pytest.mark.parametrize(
    ("answer", "verdicts", "counted"),
    [
        ({"2": "no"}, [None, -1, None], {"missing": 2}),
        ({"1": "yes", "2": 1, "3": {"verdict": True}}, [1, None, None], {"malformed": 2}),
        ({"1": "yes", "2": "maybe", "3": ["no"]}, [1, None, None], {"malformed": 2}),
        ({"1": " YES! ", "2": "No.", "3": {"verdict": "'no'"}}, [1, -1, -1], {}),
        ({"1": "yes", "2": "no", "3": "no", "4": "yes", "0": "yes", "Alien": "yes"}, [1, -1, -1], {"unknown": 3}),
        ({"01": "yes", "1 ": "yes", "1": "no", "2": "no", "3": "no"}, [-1, -1, -1], {"unknown": 2}),
        ('{"1": "yes", "1": "no", "2": "no", "3": "no"}', [None, -1, -1], {"repeated": 1}),
        ('{"1": {"verdict": "yes", "verdict": "no"}, "2": "no", "3": "no"}', [None, -1, -1], {"malformed": 1}),
        ('{"1": "yes", "2": NaN, "3": null}', [1, None, None], {"malformed": 2}),
        ('{"1": "yes", "2": "no", "3": "no", "9": 1, "9": 2}', [1, -1, -1], {"unknown": 1}),
    ],
)
def test_what_is_usable_of_an_answer_stays_and_the_rest_is_counted(answer, verdicts, counted):
    parsed = parse(answer)
    assert (parsed.status, parsed.fields["verdicts"], problems(parsed)) == ("ok", verdicts, counted)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        PROSE,
        "[]",
        "7",
        "{}",
        {"7": "yes"},
        {"1": 1, "2": {}, "3": {"reason": "x"}},
        '{"1": "yes", "1": "no"}',
        "[" * 9999,
    ],
)
def test_an_answer_without_any_verdict_is_invalid_and_says_why(answer):
    parsed = parse(answer)
    assert (parsed.status, dict(parsed.fields)) == ("invalid", {})
    assert 10 < len(parsed.error) < 200


def test_an_answer_that_is_sure_of_nothing_says_that_the_model_can_not_tell():
    assert parse({"1": "unsure", "2": entry("unsure"), "3": "maybe"}).status == "none"


@pytest.mark.parametrize(
    ("reason", "kept"), [(7, None), (["x"], None), ("", None), ("\u200b", None), ("a\x00b\nc", "ab c")]
)
def test_a_reason_is_cleaned_and_a_verdict_stands_without_one(reason, kept):
    parsed = parse({"1": entry("yes", reason), "2": {"verdict": "no"}, "3": "no"})
    assert parsed.fields["reasons"] == [kept, None, None]
    assert not problems(parsed)


def test_a_reason_is_cut_to_its_length():
    reason = parse({"1": entry("yes", "very " * 1000)}).fields["reasons"][0]
    assert reason == "very very very very"


def test_the_format_of_a_row_has_the_numbers_that_its_prompt_lists():
    two = THREE.of({"candidates": [{"number": 1}, {"number": 2}]})
    parsed = parse({"1": "yes", "2": "no", "3": "no"}, two)
    assert (parsed.fields["verdicts"], problems(parsed)) == ([1, -1], {"unknown": 1})


def test_the_schema_asks_for_each_number_once_and_the_simplest_one_for_verdicts_alone():
    schema = json.loads(THREE.json_schema())
    assert (schema["required"], schema["additionalProperties"]) == (["1", "2", "3"], False)
    assert schema["properties"]["2"]["required"] == ["reason", "verdict"]
    assert schema["properties"]["2"]["properties"]["verdict"]["enum"] == list(VERDICTS)
    simple = json.loads(THREE.deciding_alone().json_schema())
    assert list(simple["properties"]["3"]["properties"]) == ["verdict"]


def test_what_the_scripted_engine_writes_is_a_whole_answer():
    words = ["quiet", "city", "war"]
    assert parse(THREE.made_of(words, none=False)).fields["verdicts"] == [1, -1, 1]
    assert parse(THREE.made_of(words, none=True)).status == "none"
    assert not problems(parse(THREE.deciding_alone().made_of(words, none=False), THREE.deciding_alone()))


@pytest.mark.parametrize("name", HOSTILE_ANSWERS)
def test_a_model_that_was_talked_into_something_gives_verdicts_on_listed_candidates_or_none(name):
    check(parse(HOSTILE_ANSWERS[name](list(THREE.fields), "yes")))


def check(parsed):
    assert parsed.status in STATUSES
    assert (parsed.status == "ok") == bool(parsed.fields)
    if parsed.fields:
        assert len(parsed.fields["verdicts"]) == len(parsed.fields["reasons"]) == 3
        assert set(parsed.fields["verdicts"]) <= {None, *VERDICTS.values()}
        assert all(reason is None or 0 < len(reason) <= 20 for reason in parsed.fields["reasons"])
        told = sum(parsed.fields[name] for name in ("missing", "malformed", "repeated"))
        assert told == parsed.fields["verdicts"].count(None)


WORDS = st.sampled_from(["yes", "no", "unsure", "Yes ", "", "maybe"])
KEYS = st.sampled_from(["verdict", "reason", "1", "x"])
ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | WORDS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["1", "2", "3", "4", "", "1.0"]), ANY))
def test_any_object_has_a_status_and_every_candidate_a_verdict_or_a_problem(answer):
    check(parse(answer))
