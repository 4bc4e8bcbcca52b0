"""Servers that speak OpenAI's HTTP interface: where one is, how hard it may be asked, how long is waited for it."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, ValidationError, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from hnlm_ray.config.base import Section

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_OURS = {"model", "messages", "input", "stream", "n"}
_SET_ELSEWHERE = {"temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "response_format"}
Seconds = Annotated[float, Field(gt=0, le=86_400)]
PerMinute = Annotated[float, Field(gt=0)]


class HttpServer(Section):
    """A server, and the limits that are kept with it."""

    base_url: str = Field(
        max_length=2000, description="Address before /chat/completions, such as http://127.0.0.1:8000/v1."
    )
    api_key_env: str | None = Field(
        None, description="Name of the environment variable that holds the key, set where engines run; none: no key."
    )
    concurrency: Annotated[int, Field(ge=1, le=4096)] = Field(16, description="Requests of an engine at one time.")
    requests_per_minute: PerMinute | None = Field(None, description="Of all engines together, evenly spaced.")
    tokens_per_minute: PerMinute | None = Field(None, description="Prompt and answer, all engines together.")
    connect_timeout_s: Seconds = Field(10, description="Longest wait for a connection.")
    timeout_s: Seconds = Field(120, description="Longest wait for a whole answer, however slowly it comes.")
    max_response_bytes: Annotated[int, Field(ge=1024, le=2**30)] = Field(
        2**23, description="A longer answer is not read to its end."
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="Further tries of a request that was refused for the moment (429, 5xx) or cut."
    )
    max_wait_s: Seconds = Field(60, description="Longest wait before a further try, whatever Retry-After asks for.")
    extra: dict[str, JsonValue] = Field(
        {}, description="Further fields of each request's body; null leaves out a field that is sent otherwise."
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("give an address of printable ASCII characters, without blanks")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give an address that starts with http:// or https:// and names a host")
        if "@" in parts.netloc:
            raise ValueError("an address holds no credentials: put the key into the variable that api_key_env names")
        if "?" in url or "#" in url:
            raise ValueError("give the address alone, without ? and #")
        _ = parts.port  # a ValueError says what is wrong with it
        if url.rstrip("/").endswith(("/chat/completions", "/embeddings", "/completions")):
            raise ValueError("give the address before /chat/completions and /embeddings")
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, name: str | None) -> str | None:
        if name is None or _VARIABLE.fullmatch(name):
            return name
        told = "give the name of an environment variable (capital letters, digits, _), not the key itself"
        error = InitErrorDetails(type=PydanticCustomError("value_error", told), loc=(), input="***")  # may be the key
        raise ValidationError.from_exception_data("api_key_env", [error])

    @field_validator("extra")
    @classmethod
    def _leaves_what_is_set_elsewhere(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := sorted(_OURS & extra.keys()):
            raise ValueError(f"leave out {', '.join(taken)}: they are set by the request itself")
        if taken := sorted(name for name in _SET_ELSEWHERE & extra.keys() if extra[name] is not None):
            raise ValueError(f"{', '.join(taken)} can only be left out here (null): there are settings for them")
        return extra


class HttpConfig(HttpServer):
    """The OpenAI-compatible server that `llm.engine: http` asks."""

    model: str = Field(min_length=1, max_length=500, description="The model's name, as the server knows it.")
    structured: Literal["schema", "plain_schema", "object", "none"] = Field(
        "schema",
        description="How an answer's form is asked for: by JSON schema, by one without lengths (for servers that "
        "refuse minLength and maxLength), as any JSON object, or by the prompt alone.",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The request's field that holds the answer's token limit."
    )
