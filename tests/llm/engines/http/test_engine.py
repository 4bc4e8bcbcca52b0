"""The engine for OpenAI-compatible servers, before a server on loopback that misbehaves."""

import asyncio
import json
import logging
import random
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from hostile_server import GOOD, HostileServer, chat, closing, cut, endless, error, raw, reply, silent, slow

from hnlm_ray.base.errors import HnlmError, InputError, StageError
from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.base import Request, request_seed
from hnlm_ray.llm.engines.http.engine import HttpEngine
from hnlm_ray.llm.engines.http.rate_limits import Clock
from hnlm_ray.llm.text.answers import AnswerFormat

PROFILE = AnswerFormat({"summarization": 80, "reasoning": 40})
KEY = "sk-test-0123456789"


def request(number=1, attempt=1):
    messages = [{"role": "system", "content": "Describe."}, {"role": "user", "content": "a film about the sea"}]
    return Request(f"r{number}", messages, 64, PROFILE, attempt)


class Waits:
    """A clock on which every wait is over at once."""

    def __init__(self):
        self.time, self.waited = 0.0, 0.0
        self.clock = Clock(lambda: self.time, self._sleep)

    async def _sleep(self, seconds):
        self.time += seconds
        self.waited += seconds
        await asyncio.sleep(0)


def ask(url, *requests, waits=None, llm=None, **settings):
    """Ask for answers, all at once; return what became of each (an error where one is raised)."""
    server = {"base_url": url, "model": "m", **settings}
    config = LLMConfig.model_validate({"engine": "http", "http": server, **(llm or {})})

    async def go():
        engine = HttpEngine(config, config.http, 7, (waits or Waits()).clock)
        results = await asyncio.gather(*map(engine.generate, requests), return_exceptions=True)
        await engine.close()
        return results

    return asyncio.run(go())


def played(*script, **settings):
    """Ask one request of a server that plays a script; return what came of it and what the server was asked."""
    with HostileServer(list(script)) as server:
        (result,) = ask(server.url, request(), **settings)
    return result, server.asked


def test_a_request_is_one_of_openai_s_and_its_answer_is_read(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    llm = {"temperature": 0.3, "top_p": 0.9}
    result, (asked,) = played(chat(), api_key_env="SOME_KEY", llm=llm, extra={"min_p": 0.1, "top_p": None})
    assert (result.text, result.tokens_in, result.tokens_out, result.finished, result.status) == (
        GOOD,
        21,
        9,
        True,
        None,
    )
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    form = asked.body.pop("response_format")
    assert form["json_schema"]["schema"] == json.loads(PROFILE.json_schema())
    assert asked.body == {
        "model": "m",
        "messages": request().messages,
        "temperature": 0.3,
        "seed": request_seed(7, "r1", 1),
        "max_tokens": 64,
        "min_p": 0.1,
    }


@pytest.mark.parametrize(
    ("structured", "kind", "word"),
    [("plain_schema", "json_schema", "additionalProperties"), ("object", "json_object", None), ("none", None, None)],
)
def test_an_answer_s_form_is_asked_for_as_the_server_can_take_it(structured, kind, word):
    _, (asked,) = played(chat(), structured=structured, limit_field="max_completion_tokens")
    form = asked.body.get("response_format", {})
    assert form.get("type") == kind
    assert "maxLength" not in json.dumps(form)
    assert word is None or word in json.dumps(form)
    assert asked.body["max_completion_tokens"] == 64
    assert "max_tokens" not in asked.body


def test_another_attempt_draws_with_another_seed():
    with HostileServer([chat()]) as server:
        ask(server.url, request(attempt=1), request(attempt=2), request(2))
    assert len({asked.body["seed"] for asked in server.asked}) == 3


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": "9", "completion_tokens": 2},
        [1],
        True,
    ],
)
def test_tokens_are_estimated_where_the_server_counts_none(usage):
    result, _ = played(chat(usage=usage))
    assert (result.tokens_in, result.tokens_out) == (8, -(-len(GOOD) // 4))


@pytest.mark.parametrize(
    ("act", "status", "finished", "told"),
    [
        (chat(finish="length"), None, False, None),
        (chat(None, finish="content_filter"), "refused", True, "content filter"),
        (chat(None, refusal="I won't."), "refused", True, "I won't."),
        (chat(None), None, True, None),
        (error(400, "This model's maximum context length is 256 tokens."), "too_long", True, "256 tokens"),
        (error(400, "no", "context_length_exceeded"), "too_long", True, "HTTP 400"),
        (error(413, "big"), "too_long", True, "big"),
        (error(400, "no", "content_filter"), "refused", True, "HTTP 400"),
        (error(422, "bad field"), "engine_error", True, "HTTP 422: bad field"),
        (reply(200, b"<html>Log in</html>", kind="text/html"), "engine_error", True, "text/html"),
        (reply(200, b"[1, 2"), "engine_error", True, "no chat completion"),
        (reply(200, {"choices": []}), "engine_error", True, "choices"),
        (reply(200, {"choices": [{"message": {"content": ["a"]}}]}), "engine_error", True, "content"),
        (reply(200, {"error": {"message": "provider is down"}}), "engine_error", True, "provider is down"),
        (reply(200, b"[" * 100_000), "engine_error", True, "no chat completion"),
        (reply(200, b"\xff\xfe\x00"), "engine_error", True, "no chat completion"),
        (reply(200, b""), "engine_error", True, "no chat completion"),
        (reply(204, b""), "engine_error", True, "no chat completion"),
        (reply(200, b"\x1f\x8b\x08", [("Content-Encoding", "gzip")]), "engine_error", True, "compressed"),
    ],
)
def test_whatever_comes_back_is_a_text_or_a_status(act, status, finished, told):
    result, asked = played(act)
    assert (result.status, result.finished) == (status, finished)
    assert told is None or told in result.error
    assert len(asked) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
def test_a_completion_is_taken_whatever_type_it_claims(kind):
    body = {"choices": [{"message": {"content": GOOD}}]}
    assert played(reply(200, body, kind=kind))[0].text == GOOD


@pytest.mark.parametrize(
    "bad",
    [
        error(500, "oops"),
        error(503, "busy"),
        error(429, "slow down"),
        cut(),
        closing(b""),
        closing(b"SSH-2.0-OpenSSH\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n{}"),
    ],
)
def test_what_may_pass_is_tried_again(bad):
    waits = Waits()
    result, asked = played(bad, bad, chat(), waits=waits)
    assert (result.text, len(asked)) == (GOOD, 3)
    assert asked[0].body == asked[2].body
    assert 0 < waits.waited <= 1 + 2


def test_tries_end_and_say_what_was_wrong():
    result, asked = played(error(500, "disk\x00 full\n\u202enow"), retries=2)
    assert (result.status, result.error, len(asked)) == ("engine_error", "HTTP 500: disk full now", 3)


def test_an_answer_that_is_too_long_is_left_unread():
    result, asked = played(endless(), max_response_bytes=100_000)
    assert result.status == "engine_error"
    assert "100000 bytes" in result.error
    assert len(asked) == 1


@pytest.mark.parametrize("act", [slow(), silent()])
def test_a_whole_answer_has_a_time_limit_however_it_trickles(act):
    started = time.monotonic()
    result, _ = played(act, timeout_s=0.4)
    assert time.monotonic() - started < 30
    assert (result.status, result.error) == ("engine_error", "no whole answer in 0.4 s (timeout_s)")


def test_retry_after_holds_all_requests_and_is_capped():
    waits = Waits()
    with HostileServer([error(429, "wait", headers=[("Retry-After", "30")]), chat()]) as server:
        ask(server.url, *map(request, range(3)), waits=waits, concurrency=1)
        assert 30 <= waits.time < 31
    with HostileServer([error(429, "wait", headers=[("Retry-After", "86400")]), chat()]) as server:
        capped = Waits()
        ask(server.url, request(), waits=capped, max_wait_s=5)
        assert 5 <= capped.time < 6


def test_no_more_requests_run_at_once_than_allowed():
    async def late(asked, writer):
        await asyncio.sleep(0.05)
        await chat()(asked, writer)

    with HostileServer(lambda _: late) as server:
        results = ask(server.url, *map(request, range(12)), concurrency=3)
    assert [result.text for result in results] == [GOOD] * 12
    assert server.most_at_once == 3


def test_the_engines_of_a_stage_share_its_limits():
    waits = Waits()
    with HostileServer([chat()]) as server:
        ask(server.url, *map(request, range(5)), waits=waits, requests_per_minute=60, llm={"engines": 2}, concurrency=1)
    assert waits.waited == pytest.approx(4 * 2)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_stage_and_names_its_variable(status, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    result, asked = played(error(status, f"Incorrect API key {KEY}"), api_key_env="SOME_KEY")
    assert isinstance(result, InputError)
    assert "SOME_KEY" in str(result)
    assert f"HTTP {status}" in str(result)
    assert KEY not in str(result)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("act", "kind", "told"),
    [
        (error(401, "who are you"), InputError, "set llm.http.api_key_env"),
        (error(404, "model m does not exist"), InputError, "llm.http.base_url"),
        (error(402, "pay"), StageError, "HTTP 402: pay"),
        (error(429, "You exceeded your quota", "insufficient_quota"), StageError, "exceeded your quota"),
    ],
)
def test_what_no_request_can_get_past_ends_the_stage(act, kind, told):
    result, asked = played(act)
    assert isinstance(result, kind)
    assert told in str(result)
    assert len(asked) == 1


def test_one_forbidden_row_among_answered_ones_is_a_row():
    with HostileServer([chat(), error(403, "this row is not nice"), chat()]) as server:
        results = ask(server.url, *map(request, range(3)), concurrency=1)
    assert [result.status for result in results] == [None, "engine_error", None]


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    with HostileServer([chat()]) as other:
        result, _ = played(reply(307, b"", [("Location", f"{other.url}/chat/completions")]), api_key_env="SOME_KEY")
    assert isinstance(result, InputError)
    assert other.url in str(result)
    assert other.asked == []


def test_a_server_that_is_not_there_ends_the_stage_after_the_tries():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        results = ask(url, *map(request, range(40)), concurrency=4)
    assert all(isinstance(result, StageError) for result in results)
    assert f"no server answers at {url}" in str(results[0])


def test_a_server_that_only_fails_ends_the_stage_before_all_rows_are_lost():
    with HostileServer([error(500, "no GPU left")]) as server:
        results = ask(server.url, *map(request, range(60)), retries=0, concurrency=2)
    lost = [result for result in results if not isinstance(result, HnlmError)]
    assert len(lost) < 25
    assert "no GPU left" in str(results[-1])


def test_a_request_that_is_refused_from_the_first_on_ends_the_stage_with_what_to_change():
    with HostileServer([error(400, "minLength is not permitted")]) as server:
        results = ask(server.url, *map(request, range(60)))
    assert isinstance(results[-1], StageError)
    assert "llm.http.structured" in str(results[-1])
    assert "minLength is not permitted" in str(results[-1])


def test_some_failed_rows_do_not_end_the_stage():
    draw = random.Random(3)
    with HostileServer(lambda _: draw.choice([chat(), error(500, "x"), error(400, "y")])) as server:
        results = ask(server.url, *map(request, range(200)), retries=0)
    assert not any(isinstance(result, Exception) for result in results)


def test_an_answer_counts_even_when_the_server_was_given_up_meanwhile():
    async def late(asked, writer):
        await asyncio.sleep(0.3)
        await chat()(asked, writer)

    with HostileServer([late, error(401, "revoked")]) as server:
        results = ask(server.url, request(1), request(2))
    assert sorted(type(result).__name__ for result in results) == ["Generated", "InputError"]
    assert GOOD in {getattr(result, "text", "") for result in results}


def test_no_key_is_ever_in_a_log_an_error_or_an_answer(monkeypatch, caplog):
    monkeypatch.setenv("SOME_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echo = [("X-Echo", KEY), ("Set-Cookie", KEY)]
    acts = [
        error(500, f"your key is {KEY}", headers=echo),
        error(400, f"{KEY[:9]}\u200b{KEY[9:]}", headers=echo),
        reply(200, {"error": KEY}),
        reply(200, KEY.encode(), kind="text/plain"),
        closing(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
        chat(f"the key is {KEY}"),
        error(404, KEY),
    ]
    shown = []
    for act in acts:
        result, (asked, *_) = played(act, api_key_env="SOME_KEY", retries=1)
        assert KEY in asked.headers["authorization"]
        shown.append(repr(result))
    assert KEY not in " ".join(shown)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("value", "told"), [(None, "not set"), ("  ", "not set"), ("a b", "blanks"), ("ключ", "ASCII")]
)
def test_a_key_that_is_none_is_told_by_its_variable_alone(monkeypatch, value, told):
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(InputError, match=told) as caught:
        ask("http://127.0.0.1:9/v1", api_key_env="SOME_KEY")
    assert "SOME_KEY" in str(caught.value)
    assert value is None or value == "  " or value not in str(caught.value)


@pytest.fixture
def own_certificate(tmp_path):
    """Write a certificate for 127.0.0.1 that nobody has signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    of = ("-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*made, *of], check=True, capture_output=True)
    return certificate, key


def test_a_certificate_that_nobody_signed_is_refused_unless_the_environment_names_it(own_certificate, monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own_certificate)
    with HostileServer([chat()], tls=context) as server:
        (refused,) = ask(server.url, request(), retries=0)
        assert isinstance(refused, StageError)
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused)
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate[0]))
        assert ask(server.url, request())[0].text == GOOD


def test_a_proxy_of_the_environment_is_not_for_loopback(monkeypatch):
    with HostileServer([chat()]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        assert played(chat())[0].text == GOOD
        (result,) = ask("http://models.invalid/v1", request())
    assert result.text == GOOD
    assert proxy.asked[0].path == "http://models.invalid/v1/chat/completions"
