"""Answers that are almost JSON: mended only on request, marked, and only where they mean one thing."""

import re
import time

import pytest

from hnlm_ray.evidence.answers import JudgementFormat
from hnlm_ray.llm.text.answers import AnswerFormat, parse_answer
from hnlm_ray.llm.text.repair import REPAIRED, repaired

PROFILE = AnswerFormat({"summarization": 80, "reasoning": 40})
FIELDS = {"summarization": "a quiet film", "reasoning": "it is calm"}
GOOD = '{"summarization": "a quiet film", "reasoning": "it is calm"}'
MEANT = [
    f"```json\n{GOOD}\n```",
    f"Here is the profile:\n{GOOD}\nI hope it helps.",
    GOOD.replace('"', "'"),
    GOOD.replace("}", ",}"),
    re.sub(r'"([^"]*)"', "\u201c\\1\u201d", GOOD),
    '{summarization: "a quiet film", reasoning: "it is calm"}',
    '{"summarization": "a quiet film" "reasoning": "it is calm"}',
    '{"summarization": "a quiet film", // as asked\n"reasoning": "it is calm"}',
    '{"summarization": "a quiet film, "reasoning": "it is calm"}',
    '{"summarization": "a quiet\nfilm", "reasoning": "it is calm"}',
    GOOD + "}",
]
NOT_MEANT = [
    '{"summarization": "a quiet film", "reasoning": "it is',
    '{"summarization": "a quiet film", "reasoning": "it is calm"',
    GOOD + '{"summarization": "another", "reasoning": "it is not"}',
    '<think>summarization: what?</think>{"summarization": "a quiet film", "reasoning": "it is calm",}',
    '{"summarization": "one", "summarization": "two", "reasoning": "calm",}',
    '{"summarization": "a quiet film",}',
    '{"summarization": 3, "reasoning": "it is calm",}',
    f"[{GOOD}, 1,]",
    "summarization is a quiet film}",
]


@pytest.mark.parametrize("text", MEANT)
def test_what_means_one_object_is_mended_on_request_and_marked(text):
    assert parse_answer(text, PROFILE, finished=True).status == "invalid"
    parsed = parse_answer(text, PROFILE, finished=True, repair=True)
    assert (parsed.status, dict(parsed.fields), parsed.error) == ("ok", FIELDS, REPAIRED)


@pytest.mark.parametrize("text", NOT_MEANT)
def test_what_was_cut_or_says_a_field_twice_stays_invalid_for_the_same_reason(text):
    strict, lenient = (parse_answer(text, PROFILE, finished=True, repair=repair) for repair in (False, True))
    assert strict == lenient
    assert lenient.status == "invalid"


def test_an_answer_that_needs_nothing_is_not_marked_and_one_at_its_limit_stays_truncated():
    parsed = parse_answer(GOOD, PROFILE, finished=True, repair=True)
    assert (parsed.status, parsed.error) == ("ok", None)
    assert parse_answer(MEANT[0], PROFILE, finished=False, repair=True).status == "truncated"
    assert parse_answer("I'm sorry, but no. {}", PROFILE, finished=True, repair=True).status == "refused"


def test_a_mended_answer_that_says_none_is_marked_too():
    parsed = parse_answer(GOOD.replace("a quiet film", "None") + "}", PROFILE, finished=True, repair=True)
    assert (parsed.status, dict(parsed.fields), parsed.error) == ("none", {}, REPAIRED)


def test_judgements_are_never_mended_for_which_entry_stood_twice_would_be_lost():
    listed, entry = JudgementFormat.of_candidates(1, 0), '{"1": {"verdict": "no", "verdict": "yes"},}'
    assert parse_answer(entry, listed, finished=True, repair=True).status == "invalid"


@pytest.mark.parametrize(
    "text",
    [
        "{" * 20_000 + "}",
        "(" * 20_000 + "}",
        '\u201c":":' * 5_000 + "}",
        '{"a":' * 4_000 + "}" * 4_000,
        "/*" * 9_000 + "}",
    ],
)
def test_hostile_text_takes_no_time(text):
    began = time.process_time()
    assert repaired(text + "}", ["summarization"]) is None
    assert time.process_time() - began < 1
