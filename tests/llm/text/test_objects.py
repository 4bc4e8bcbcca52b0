"""The objects that an answer says; and answers that are almost JSON: mended on request, and marked."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.evidence.answers import JudgementFormat
from hnlm_ray.llm.text.answers import AnswerFormat, parse_answer
from hnlm_ray.llm.text.objects import REPAIRED, repaired

PROFILE = AnswerFormat({"summarization": 80, "reasoning": 40})
FIELDS = {"summarization": "a quiet film", "reasoning": "it is calm"}
GOOD = '{"summarization": "a quiet film", "reasoning": "it is calm"}'
OTHER = GOOD.replace("quiet film", "loud film")
PROSE = 'The person {likes films, "quiet" ones} in [2024].'
FINAL = "<|channel|>final<|message|>"
READ = {
    "fence": f"```json\n{GOOD}\n```",
    "fence without a language": f"```\n{GOOD}\n```",
    "fence in a fence": f"````\n```json\n{GOOD}\n```\n````",
    "fence that is not closed": f"```json\n{GOOD}",
    "CRLF": "```json\r\n" + GOOD.replace(", ", ",\r\n") + "\r\n```\r\n",
    "byte order mark": f"\ufeff{GOOD}",
    "words around": f"Here is the profile:\n{GOOD}\nI hope it helps.",
    "braces before and after": f"{PROSE} {GOOD} {PROSE}",
    "a brace too many": GOOD + "}",
    "said twice": f"{GOOD}\nThat is: {GOOD.replace(' ', '  ')}",
    "draft without all fields": f'{{"summarization": "?"}} or rather {GOOD}',
    "list": f"[{GOOD}]",
    "list in a list": f"[[{GOOD}]]",
    "list with something else": f"[{GOOD}, 1,]",
    "list in a fence": f"```json\n[{GOOD}]\n```",
    "wrapped": f'{{"answer": {GOOD}}}',
    "wrapped three times": f'{{"result": {{"output": {{"data": [{GOOD}]}}, "status": "ok"}}}}',
    "wrapped with a field of the answer": f'{{"reasoning": "I think so", "answer": {GOOD}}}',
    "as a text": json.dumps(GOOD),
    "as a text within an object": json.dumps({"output": f"```json\n{GOOD}\n```"}),
    "trailing comma": GOOD.replace("}", " ,\n}"),
    "trailing commas": f'{{"data": [{GOOD[:-1]},}},],}}',
    "Python's constants": GOOD.replace("}", ', "more": None, "sure": True, "not": False}'),
    "raw line end": GOOD.replace("quiet ", "quiet\n"),
    "raw line end of Windows": GOOD.replace("quiet ", "quiet\r\n"),
    "raw tab and NUL": GOOD.replace("quiet ", "quiet\t\x00"),
    "keys in capitals": GOOD.replace("summarization", "SUMMARIZATION").replace('"reasoning', '"Reasoning'),
    "thoughts": f"<think>{OTHER}? No, {{calm}}.</think>\n{GOOD}",
    "thoughts in a fence": f"<think>\n```json\n{OTHER}\n```\n</think>\n```json\n{GOOD}\n```",
    "thoughts that the prompt began": f"{OTHER}? No.\n</think>\n\n{GOOD}",
    "thinking": f"<Thinking time='3'>{OTHER}</thinking>{GOOD}",
    "reasoning": f"<reasoning>{OTHER}</reasoning><answer>{GOOD}</answer>",
    "thoughts of Mistral": f"[THINK]{OTHER}[/THINK]{GOOD}",
    "thoughts twice": f"<think>{OTHER}</think>Well. <think>again {OTHER}</think>{GOOD}",
    "thoughts after": f"{GOOD}<think>{OTHER} would do too</think>",
    "thoughts that have no end, then the answer": f"<think>short or long?\n{GOOD}\n",
    "thoughts of 100,000 characters": f"<think>{OTHER} hm {'hm ' * 33_000}</think>{GOOD}",
    "final channel": f"{FINAL}{GOOD}",
    "channels": f"<|channel|>analysis<|message|>{OTHER}?<|end|><|start|>assistant{FINAL}{GOOD}<|return|>",
    "channel with a constraint": f"<|channel|>final <|constrain|>json<|message|>{GOOD}",
    "channels whose tokens were left out": f"analysisWe need {OTHER}?assistantfinal{GOOD}",
}
NOT_READ = {
    "two objects": (f"{GOOD}\n{OTHER}", "2 different objects"),
    "two in a list": (f"[{GOOD}, {OTHER}]", "2 different objects"),
    "two in an object": (f'{{"draft": {OTHER}, "final": {GOOD}}}', "2 different objects"),
    "none and an answer": (f"{GOOD.replace('a quiet film', 'None')} or {GOOD}", "2 different objects"),
    "thoughts alone": (f"<think>{GOOD}</think>", "thoughts"),
    "thoughts without an end": (f"<think>{GOOD} would be good, but", "thoughts"),
    "two drafts in thoughts without an end": (f"<think>{OTHER} or {GOOD}", "2 different objects"),
    "an answer, and thoughts that end with another": (f"{GOOD}<think>or {OTHER}", "2 different objects"),
    "thoughts alone that the prompt began": (f"{GOOD}? No.</think>", "thoughts"),
    "other channel alone": (f"<|channel|>analysis<|message|>{GOOD} is too short<|end|>", "thoughts"),
    "cut": (GOOD[:-9], "no JSON that is whole"),
    "cut after the answer's end": (f'{{"answer": {GOOD}', "no JSON that is whole"),
    "cut in a fence": (f'```json\n{{"answer": [{GOOD},\n```', "no JSON that is whole"),
    "half an answer beside the other half": ('{"summarization": "a"} {"reasoning": "b"}', "reasoning is NoneType"),
    "schema": ('{"properties": {"summarization": {"type": "string"}, "reasoning": {}}}', "summarization is dict"),
    "single quotes": (GOOD.replace('"', "'"), "no JSON"),
}


@pytest.mark.parametrize("name", READ)
def test_an_answer_is_read_in_whatever_stands_around_it(name):
    parsed = parse_answer(READ[name], PROFILE, finished=True)
    assert (parsed.status, dict(parsed.fields), parsed.error) == ("ok", FIELDS, None)


@pytest.mark.parametrize("name", NOT_READ)
def test_what_could_only_be_guessed_is_invalid_and_says_why(name):
    text, told = NOT_READ[name]
    parsed = parse_answer(text, PROFILE, finished=True)
    assert parsed.status == "invalid"
    assert told in parsed.error
    assert len(parsed.error) <= 200


@pytest.mark.parametrize("name", READ)
def test_an_answer_that_was_cut_off_is_truncated_whatever_it_holds(name):
    assert parse_answer(READ[name], PROFILE, finished=False).status == "truncated"


@pytest.mark.parametrize("name", READ)
def test_an_object_that_is_read_as_it_is_needs_no_mending(name):
    assert parse_answer(READ[name], PROFILE, finished=True, repair=True).error is None


def test_marks_of_thoughts_within_an_answer_s_texts_are_text():
    text = GOOD.replace("it is calm", "says </think> and <think>")
    for around in ("{}", "```json\n{}\n```", "Well: {}"):
        parsed = parse_answer(around.replace("{}", text), PROFILE, finished=True)
        assert parsed.fields == {**FIELDS, "reasoning": "says </think> and <think>"}


def test_fields_in_other_case_count_where_the_exact_one_is_missing():
    listed = AnswerFormat({"hard_negative_item": 80})
    for name in ("hardNegativeItem", "Hard Negative Item", "HARD-NEGATIVE-ITEM"):
        assert parse_answer(json.dumps({name: "Alien"}), listed, finished=True).fields == {
            "hard_negative_item": "Alien"
        }
    text = json.dumps({"hard_negative_item": "Alien", "Hard_Negative_Item": "Dune"})
    assert parse_answer(text, listed, finished=True).fields == {"hard_negative_item": "Alien"}


@pytest.mark.parametrize(
    "word", ["null", '"None"', '"N/A"', '"n.a."', '"Not available."', '"(none)"', "None", '"NULL"']
)
def test_a_value_that_says_none_means_that_the_model_can_not_tell(word):
    for text in (GOOD.replace('"a quiet film"', word), f'```\n{{"Summarization": {word}}}\n```'):
        assert parse_answer(text, PROFILE, finished=True).status == "none"


@pytest.mark.parametrize(
    "text",
    [
        "I\u2019m sorry, I can\u2019t help with that.",
        "I\u2018m sorry but no.",
        "I can\u02bct do this",
        "I cannot describe it.",
        "Sorry, but I won\u2019t.",
        "As an AI language model, I don't watch films.",
        "<think>Is that allowed?</think>I\u2019m unable to help.",
        f"{FINAL}I\u2019m sorry, I can\u2019t.",
        'I\'m sorry: {"error": "x"}',
        GOOD.replace("a quiet film", "I\u2019m sorry, but I can\u2019t help with that"),
    ],
)
def test_a_refusal_is_one_by_whatever_apostrophe(text):
    assert parse_answer(text, PROFILE, finished=True).status == "refused"


@pytest.mark.parametrize("title", ["Sorry to Bother You", "I'm Sorry, I Love You", "I Can't Sleep", "I, Robot"])
def test_titles_that_begin_like_a_refusal_are_titles(title):
    assert parse_answer(GOOD.replace("a quiet film", title), PROFILE, finished=True).status == "ok"


def test_an_answer_after_an_apology_is_the_answer():
    assert parse_answer(f"Sorry for the wait. {GOOD}", PROFILE, finished=True).status == "ok"


def test_judgements_are_read_in_what_stands_around_them_too():
    listed = JudgementFormat.of_candidates(2, 20)
    answer = '{"1": {"Reason": "calm", "Verdict": "Yes"}, "2": {"verdict": "no"}}'
    for text in (answer, f"```json\n{answer}\n```", f'<think>{{"1": "no"}}</think>{{"judgements": {answer}}}'):
        parsed = parse_answer(text, listed, finished=True)
        assert (parsed.fields["verdicts"], parsed.fields["reasons"]) == ([1.0, -1.0], ["calm", None])


@given(st.text(alphabet='{}[]",: \n\\abN<>/thinkone', max_size=120))
def test_any_text_around_an_answer_leaves_it_whole_or_invalid(around):
    for text in (f"{around}{GOOD}", f"{GOOD}{around}"):
        parsed = parse_answer(text, PROFILE, finished=True)
        assert parsed.status in {"invalid", "refused"} or dict(parsed.fields) == FIELDS


MEANT = [
    GOOD.replace('"', "'"),
    re.sub(r'"([^"]*)"', "\u201c\\1\u201d", GOOD),
    '{summarization: "a quiet film", reasoning: "it is calm"}',
    '{"summarization": "a quiet film" "reasoning": "it is calm"}',
    '{"summarization": "a quiet film", // as asked\n"reasoning": "it is calm"}',
    '{"summarization": "a quiet film, "reasoning": "it is calm"}',
    "<think>summarization: what?</think>" + GOOD.replace('"', "'"),
]
NOT_MEANT = [
    '{"summarization": "a quiet film", "reasoning": "it is',
    '{"summarization": "a quiet film", "reasoning": "it is calm"',
    GOOD + '{"summarization": "another", "reasoning": "it is not"}',
    "{'summarization': 'one', 'summarization': 'two', 'reasoning': 'calm'}",
    '{"summarization": "a quiet film",}',
    '{"summarization": 3, "reasoning": "it is calm",}',
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
    parsed = parse_answer(GOOD.replace("a quiet film", "None").replace('"', "'"), PROFILE, finished=True, repair=True)
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
    assert not parse_answer(text, PROFILE, finished=True).fields
    assert time.process_time() - began < 1
