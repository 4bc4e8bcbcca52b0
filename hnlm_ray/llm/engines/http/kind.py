"""What the rest must know of a server as an engine; it imports no HTTP library, which takes long."""

from __future__ import annotations

from typing import Any

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import LLMConfig
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.engines.base import EngineKind, TextEngine, estimated_tokens, settings_of
from hnlm_ray.llm.models import http_identity

_CONTENT = ("engine", "temperature", "top_p", "max_attempts")
_SERVER_CONTENT = ("model", "structured", "extra")  # a server that moves elsewhere is the same server


def _server(llm: LLMConfig) -> HttpConfig:
    if llm.http is None:
        raise InputError("llm.engine is http: set llm.http.base_url and llm.http.model")
    return llm.http


def _content(llm: LLMConfig) -> dict[str, Any]:
    server = _server(llm).model_dump(mode="json")
    return {**settings_of(llm, *_CONTENT), "http": {name: server[name] for name in _SERVER_CONTENT}}


def _open(llm: LLMConfig, seed: int) -> TextEngine:
    from hnlm_ray.llm.engines.http.engine import HttpEngine

    return HttpEngine(llm, _server(llm), seed)


HTTP_KIND = EngineKind(
    identity=lambda llm: http_identity(_server(llm).model),
    content=_content,
    check=lambda _llm: None,
    checkpoint=lambda _llm: None,
    server=_server,
    environment=lambda _llm: {},
    at_once=lambda llm: _server(llm).concurrency,
    slots=lambda _llm: None,
    prompt_tokens=lambda _llm: estimated_tokens,
    open=_open,
    bounds_its_waits=True,
    has_a_model=True,
    may_bill=True,
)
