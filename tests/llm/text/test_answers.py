"""Answers of an LLM are hostile text: each becomes a status, none raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.llm.text.answers import AnswerFormat, clean, parse_answer, shorten
from hnlm_ray.workspace.tables import STATUSES

PROFILE = AnswerFormat({"summarization": 40, "reasoning": 20})


def answer(**fields):
    return json.dumps({"summarization": "A warm comedy.", "reasoning": "genre", **fields})


def test_a_complete_answer_is_ok_and_keeps_its_fields():
    parsed = parse_answer(answer(), PROFILE, finished=True)
    assert (parsed.status, dict(parsed.fields)) == ("ok", {"summarization": "A warm comedy.", "reasoning": "genre"})


@pytest.mark.parametrize("word", ["None", "none", " NONE. ", "N/A", "null", '"None"', "unknown"])
def test_the_model_may_say_that_it_can_not_tell(word):
    parsed = parse_answer(answer(summarization=word), PROFILE, finished=True)
    assert parsed.status == "none"
    assert not parsed.fields


def test_an_answer_that_hit_its_token_limit_is_truncated_even_when_it_parses():
    assert parse_answer(answer(), PROFILE, finished=False).status == "truncated"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the answer is empty"),
        ('{"summarization": "a', "no JSON"),
        ("[1, 2]", "JSON list"),
        ("null", "JSON NoneType"),
        ('{"summarization": 3, "reasoning": "x"}', "summarization is int"),
        ('{"summarization": "x"}', "reasoning is NoneType"),
        (answer(summarization="..!?"), "no letter or digit"),
        (answer(summarization=""), "no letter or digit"),
        (answer(summarization=" "), "no letter or digit"),
        (answer(summarization="..."), "no letter or digit"),
        (answer(summarization="\u200b"), "no letter or digit"),
        ("[" * 100_000, "no JSON"),
        ('{"summarization": ' + "{" * 19_000, "no JSON"),
        ('{"summarization": ' + "1" * 5000 + "}", "no JSON"),
        ("x" * 20_000_000, "no JSON"),
    ],
)
def test_what_is_not_the_object_asked_for_is_invalid_and_says_why(text, told):
    parsed = parse_answer(text, PROFILE, finished=True)
    assert parsed.status == "invalid"
    assert told in parsed.error
    assert len(parsed.error) < 200


def test_a_refusal_is_told_apart():
    assert parse_answer("I'm sorry, I can't help with that.", PROFILE, finished=True).status == "refused"


def test_fields_are_cut_to_their_length_and_lose_control_and_direction_characters():
    parsed = parse_answer(answer(summarization="a\x00b\x1b[31m\u202ec\n\n d" + " x" * 100), PROFILE, finished=True)
    assert parsed.fields["summarization"].startswith("ab[31mc d x x")
    assert 35 < len(parsed.fields["summarization"]) <= 40


@pytest.mark.parametrize(
    ("text", "kept"),
    [("one two three", "one two"), ("one two", "one two"), ("x" * 20, "x" * 10), ("one two t", "one two t")],
)
def test_a_text_that_fills_its_length_ends_at_a_whole_word(text, kept):
    assert shorten(text, 10) == kept


def test_the_schema_asks_for_exactly_the_fields_with_their_lengths():
    schema = json.loads(PROFILE.json_schema())
    assert schema["required"] == ["summarization", "reasoning"]
    assert schema["properties"]["summarization"]["maxLength"] == 40
    assert schema["additionalProperties"] is False


@given(st.text(max_size=300), st.booleans())
def test_any_text_gets_a_known_status(text, finished):
    parsed = parse_answer(text, PROFILE, finished=finished)
    assert parsed.status in STATUSES
    assert (parsed.status == "ok") == bool(parsed.fields)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_gets_a_known_status(value):
    assert (
        parse_answer(json.dumps({"summarization": value, "reasoning": value}), PROFILE, finished=True).status
        in STATUSES
    )


@given(st.text())
def test_clean_text_has_no_line_break_and_cleaning_twice_changes_nothing(text):
    once = clean(text)
    assert clean(once) == once
    assert "\n" not in once
    assert "\x1b" not in once
