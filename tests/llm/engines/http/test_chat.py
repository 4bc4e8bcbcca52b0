"""What a reply of a reasoning model is: thoughts are no answer, and where they took its place it says what to set."""

import json

import pytest

from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.engines.base import Request
from hnlm_ray.llm.engines.http.chat import read_chat
from hnlm_ray.llm.engines.http.transport import Reply, ServerKey
from hnlm_ray.llm.text.answers import AnswerFormat

GOOD = '{"summarization": "a quiet film"}'
MESSAGES = [{"role": "user", "content": "Describe it."}]
REQUEST = Request("r1", MESSAGES, 256, AnswerFormat({"summarization": 80}), limit="profiles.item_max_tokens")
SERVER = HttpConfig(base_url="http://127.0.0.1:9/v1", model="m")
THOUGHTS = {
    "vLLM, SGLang, DeepSeek": {"reasoning_content": "hm"},
    "OpenRouter, Groq": {"reasoning": "hm"},
    "OpenRouter's details": {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    "Ollama": {"thinking": "hm"},
}


def read(content, finish="stop", reasoning_tokens=None, **message):
    usage = {"prompt_tokens": 20, "completion_tokens": 256}
    if reasoning_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning_tokens}
    choice = {"message": {"content": content, **message}, "finish_reason": finish}
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    return read_chat(Reply(200, body), REQUEST, ServerKey(SERVER, "llm.http"))


@pytest.mark.parametrize("message", THOUGHTS.values(), ids=list(THOUGHTS))
def test_an_answer_beside_thoughts_is_the_answer(message):
    got = read(GOOD, **message)
    assert (got.text, got.status, got.finished, got.tokens_out) == (GOOD, None, True, 256)


@pytest.mark.parametrize("message", THOUGHTS.values(), ids=list(THOUGHTS))
@pytest.mark.parametrize("content", [None, "", GOOD[:9]])
def test_thoughts_that_took_all_tokens_name_the_settings_to_change(message, content):
    got = read(content, "length", **message)
    assert (got.status, got.tokens_out) == ("truncated", 256)
    for told in ("profiles.item_max_tokens 256", "enable_thinking: false", "llm.http.extra", "llm.http.limit_field"):
        assert told in got.error
    assert len(got.error) <= 200


def test_thoughts_that_a_server_counts_and_does_not_show_are_told_too():
    assert "enable_thinking" in read("", "length", reasoning_tokens=256).error
    assert read(GOOD, reasoning_tokens=100).text == GOOD
    for none in (0, -3, "256", None):
        assert read("", "length", reasoning_tokens=none).status is None


def test_an_empty_answer_beside_thoughts_is_invalid_and_says_so():
    got = read(None, reasoning_content=GOOD)
    assert (got.status, got.text) == ("invalid", "")
    assert "enable_thinking: false" in got.error
    assert len(got.error) <= 200


def test_an_answer_in_parts_is_that_of_its_texts():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thinking, {"type": "text", "text": GOOD[:5]}, {"type": "text", "text": GOOD[5:]}]
    assert read(parts).text == GOOD
    assert read(parts[:1], "length").status == "truncated"
    assert read([]).text == ""
