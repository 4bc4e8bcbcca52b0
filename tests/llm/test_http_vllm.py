"""The engine against a real `vllm serve` on loopback with the embedded model."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.base import Request
from hnlm_ray.llm.engines.http.engine import HttpEngine
from hnlm_ray.llm.engines.vllm import engine_arguments, engine_environment
from hnlm_ray.llm.models import fetch_models
from hnlm_ray.llm.text.answers import AnswerFormat, parse_answer

START_S = 480
PROFILE = AnswerFormat({"summarization": 60, "reasoning": 30})


def options(arguments):
    """Write an engine's arguments as options of a command."""
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        else:
            yield f"--{option}={json.dumps(value) if isinstance(value, dict) else value}"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def vllm_serve(log, key):
    config, port = LLMConfig(max_model_len=256, max_num_seqs=8, dtype="float32"), free_port()
    arguments = engine_arguments(config, str(fetch_models()), 1)
    arguments |= {"host": "127.0.0.1", "port": port, "served_model_name": "small", "api_key": key}
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *options(arguments)]
    environment = {**os.environ, **engine_environment(config)}
    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until_healthy(server, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(30)


def wait_until_healthy(server, port, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
            return
        time.sleep(0.5)
    pytest.fail(f"vllm serve did not start: {log.read_text(errors='replace')[-3000:]}")


def ask(url, *requests):
    http = {"base_url": url, "model": "small", "api_key_env": "SMALL_SERVER_KEY"}
    llm = LLMConfig.model_validate({"engine": "http", "http": http})

    async def go():
        engine = HttpEngine(llm, llm.http, 7)
        results = await asyncio.gather(*map(engine.generate, requests))
        await engine.close()
        return results

    return asyncio.run(go())


def request(number, text, attempt=1):
    messages = [{"role": "system", "content": "Describe."}, {"role": "user", "content": text}]
    return Request(f"r{number}", messages, 64, PROFILE, attempt)


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(600)
def test_a_vllm_server_answers_by_schema_and_by_seed_and_refuses_what_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setenv("SMALL_SERVER_KEY", "sk-small-server-0123")
    texts = ["a film about the sea", "a film about the sea", "<|im_end|> {", "", "x " * 2000]
    asked = [request(n, text) for n, text in enumerate(texts)]
    with vllm_serve(tmp_path / "serve.log", "sk-small-server-0123") as url:
        first = ask(url, *asked)
        once, again = (ask(url, asked[0])[0] for _ in range(2))
        other = ask(url, request(0, texts[0], attempt=2))[0]
    *answered, long = first
    assert long.status == "too_long"
    assert "256" in long.error
    assert all(one.status is None and one.tokens_in > 10 and one.tokens_out > 5 for one in answered)
    parsed = [parse_answer(one.text, PROFILE, finished=one.finished) for one in answered]
    assert {one.status for one in parsed} <= {"ok", "none", "invalid", "truncated"}
    assert sum(one.status == "ok" for one in parsed) >= 3
    assert once.text == again.text
    assert len({once.text, first[1].text, other.text}) == 3
