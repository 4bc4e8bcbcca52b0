"""What servers say is wrong, in the shapes that they give it."""

import json

import pytest

from hnlm_ray.base.errors import StageError
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.engines.http.errors import CircuitBreaker, is_too_long, server_error
from hnlm_ray.llm.engines.http.transport import Reply, ServerKey


def reply(body, status=400):
    return Reply(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"error": {"message": "no", "type": "a", "code": "b"}}, "b", "no"),
        ({"error": {"message": "no", "type": "a", "code": "400"}}, "a", "no"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "later"}}, "overloaded_error", "later"),
        ([{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}], "INVALID_ARGUMENT", "no"),
        ({"error": "no"}, "", "no"),
        ({"error": "Bad Request", "message": ["a is wrong", "b is wrong"]}, "", "Bad Request; a is wrong; b is wrong"),
        ({"detail": "no"}, "", "no"),
        ({"detail": [{"loc": ["top_p"], "msg": "too high", "type": "x"}, {"msg": "no"}]}, "x", "top_p: too high; no"),
        ({"object": "error", "message": {"detail": [{"msg": "no", "loc": ["a", 0]}]}}, "", "a.0: no"),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, "BadRequestError", "no"),
        ({"message": "no"}, "", "no"),
        ({"errors": [{"message": "no"}, {"message": "no"}]}, "", "no"),
        ([], "", ""),
        ([[[[[[[[[["deep"]]]]]]]]]], "", ""),
        ({"error": None, "detail": {"loc": 3}}, "", ""),
        (7, "", ""),
        ({"choices": [{"message": "no error"}]}, "", ""),
    ],
)  # fmt: skip
def test_an_error_is_read_in_the_shapes_of_servers(body, code, text):
    found = server_error(reply(body))
    assert (found.code, found.text) == (code, text)


TOO_LONG = [
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "input token count of 1200000 exceeds 1048576",
    "litellm.ContextWindowExceededError: OpenAIException",
    "Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "40960 tokens are too large for 32768",
    "at most 4096 tokens",
    "prompt is too long: 208310 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
    "the request exceeds the available context size, try increasing it",
    "Please reduce the length of the messages or completion.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
]
NOT_TOO_LONG = [
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "minLength is not permitted",
    "Invalid token in the schema",
    "temperature must be at most 2",
]


@pytest.mark.parametrize("text", TOO_LONG + NOT_TOO_LONG)
def test_a_prompt_that_does_not_fit_is_told_from_a_request_that_is_wrong(text):
    for status in (400, 422):
        told = reply([{"error": {"message": text}}], status)
        assert is_too_long(told, server_error(told)) == (text in TOO_LONG)
    limited = reply({"error": {"message": text}}, 429)
    assert not is_too_long(limited, server_error(limited))


def refuse(verdict, times):
    for _ in range(times):
        verdict.refused("HTTP 400: use max_completion_tokens")


def test_a_refusal_of_parameters_names_the_settings_that_shape_a_request():
    server = HttpConfig(base_url="http://127.0.0.1:9/v1", model="m")
    verdict = CircuitBreaker(server, "llm.http", ServerKey(server, "llm.http"))
    with pytest.raises(StageError, match="use max_completion_tokens") as caught:
        refuse(verdict, 20)
    for name in ("structured", "limit_field", "extra"):
        assert f"llm.http.{name}" in str(caught.value)
