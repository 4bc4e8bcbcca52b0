"""What an LLM writes: any text has a status, and its fields are safe to print, to store and to put into a prompt."""

import json
import unicodedata

import pytest
from bounds import bounded, cases
from damage import PIECES, damaged, damages
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.llm.text.answers import AnswerFormat, parse_answer
from hnlm_ray.llm.text.objects import REPAIRED
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.workspace.tables import STATUSES

WANTED = AnswerFormat({"hard_negative_item": 80, "reasoning": 120})
VALID = json.dumps({"hard_negative_item": "The Usual Suspects (1995)", "reasoning": "a crime film"}).encode()
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=80)
STARTS = ["", "{", '{"hard_negative_item": "', "I'm sorry", "```json\n"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def parse(text, *, finished=True):
    strict, mended = (
        bounded("answer", parse_answer, text, WANTED, finished=finished, repair=repair) for repair in (False, True)
    )
    holds_what_is_safe(strict)
    if mended != strict:
        assert (strict.status, mended.error) == ("invalid", REPAIRED)
        holds_what_is_safe(mended)


def holds_what_is_safe(parsed):
    assert parsed.status in STATUSES
    assert (parsed.status == "ok") == bool(parsed.fields)
    for told in [*parsed.fields.values(), parsed.error or ""]:
        told.encode()
        assert len(told) < 400
        assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in told), ascii(told)
    assert all(len(parsed.fields[name]) <= most for name, most in WANTED.fields.items() if parsed.fields)
    messages = load_prompt("semantic_negative.v1").messages({"person": dict(parsed.fields), "liked item": "x"})
    assert [message["role"] for message in messages] == ["system", "user"]


@cases(800)
@given(found=damages)
def test_a_damaged_answer_has_a_status(found):
    parse(damaged(VALID, found).decode("utf-8", "replace"))


@cases(800)
@given(
    text=ANY_TEXT,
    before=st.sampled_from(["", "{", '{"hard_negative_item": "', "I'm sorry", "```json\n"]),
    end=st.booleans(),
)
def test_any_text_has_a_status(text, before, end):
    parse(before + text, finished=end)


@cases(800)
@given(item=ANY_JSON, reasoning=ANY_JSON | ANY_TEXT, more=st.dictionaries(ANY_TEXT, ANY_JSON, max_size=2))
def test_any_object_has_a_status(item, reasoning, more):
    parse(json.dumps({**more, "hard_negative_item": item, "reasoning": reasoning}, ensure_ascii=False))


LONG = 20 * 2**20


@pytest.mark.parametrize(
    "text",
    [
        *("x" * LONG, " " * LONG, "[" * LONG, '{"a":' * (LONG // 5), "\u202e" * (LONG // 4), "I'm sorry" + "\n" * LONG),
        *('{"hard_negative_item": "' + "a " * (LONG // 2) + '"}', '{"hard_negative_item": ' + "9" * LONG + "}"),
        '{"hard_negative_item": "a", "hard_negative_item": "b", "reasoning": "c", "reasoning": "d"}',
        *(piece.decode("utf-8", "replace") for piece in PIECES),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_hostile_texts_have_a_status(text):
    parse(text)
