"""Chat completions as OpenAI's interface has them: a request's body, and what a reply to it says.

Servers add a reasoning model's thoughts in fields of their own; what stands in these is never read as an answer.
"""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hnlm_ray.config import LLMConfig
from hnlm_ray.config.llm import HttpConfig
from hnlm_ray.llm.engines.base import CHARS_PER_TOKEN, Generated, Request, estimated_tokens, out_of_tokens
from hnlm_ray.llm.engines.http.errors import is_filtered, is_too_long, server_error
from hnlm_ray.llm.engines.http.transport import Reply, ServerKey
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.objects import THINKING_OFF

_MOST_TOKENS = 10**8


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Part(_Lenient):
    type: str = "text"
    text: str | None = None


class _Message(_Lenient):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    thinking: Any = None

    @property
    def text(self) -> str:
        """What is said; of several parts the texts, without thoughts and pictures."""
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type in {"text", "output_text"})
        return self.content or ""

    @property
    def thought(self) -> bool:
        """Whether thoughts stand beside what is said."""
        parts = self.content if isinstance(self.content, list) else ()
        beside = (self.reasoning_content, self.reasoning, self.reasoning_details, self.thinking)
        return any(beside) or any(part.type in {"thinking", "reasoning"} for part in parts)


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None


class _Completion(_Lenient):
    choices: list[_Choice] = Field(min_length=1)
    usage: Any = None


def chat_body(request: Request, llm: LLMConfig, server: HttpConfig, seed: int) -> dict[str, Any]:
    """Return the body of a request for one answer."""
    body = {
        "model": server.model,
        "messages": request.messages,
        "temperature": llm.temperature,
        "top_p": llm.top_p,
        "seed": seed,
        server.limit_field: request.max_tokens,
        "response_format": _response_format(request.expected, server.structured),
        **server.extra,
    }
    return {name: value for name, value in body.items() if value is not None}


def _response_format(expected: AnswerFormat, structured: str) -> dict[str, Any] | None:
    if structured == "none":
        return None
    if structured == "object":
        return {"type": "json_object"}
    schema = json.loads(expected.json_schema())
    if structured == "plain_schema":
        schema = _without_lengths(schema)
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _without_lengths(schema: Any) -> Any:  # noqa: ANN401  a JSON schema and its parts
    if isinstance(schema, dict):
        return {name: _without_lengths(part) for name, part in schema.items() if name not in {"minLength", "maxLength"}}
    return schema


def read_chat(reply: Reply, request: Request, key: ServerKey) -> Generated:
    """Return what a reply gives: a text, or a status with the reason.

    Tokens are the server's count; where it gives none that is sane, they are estimated as four characters each.
    """
    if not 200 <= reply.status < 300:
        return _refused(reply, key)
    try:
        completion = _Completion.model_validate_json(reply.body)
    except ValidationError as error:
        return Generated(status="engine_error", error=_no_completion(reply, error, key))
    choice, message = completion.choices[0], completion.choices[0].message
    text = key.out_of_answer(message.text)
    tokens = counted_tokens(completion.usage) or (estimated_tokens(request), -(-len(text) // CHARS_PER_TOKEN))
    if choice.finish_reason == "content_filter" or message.refusal:
        told = key.out_of_message(message.refusal or "the server's content filter stopped it")
        return Generated("", *tokens, status="refused", error=told)
    return _answered(text, tokens, request, choice, thought=message.thought or _reasoning_tokens(completion.usage) > 0)


def _answered(text: str, tokens: tuple[int, int], request: Request, choice: _Choice, *, thought: bool) -> Generated:
    """Return the text, but where a model's thoughts took its place."""
    finished = choice.finish_reason != "length"
    if thought and not finished:
        return Generated(text, *tokens, finished=False, status="truncated", error=out_of_tokens(request, thought=True))
    if thought and not text.strip():
        told = (
            f"the answer is empty, though the model thought: set {THINKING_OFF}, or have the server part both otherwise"
        )
        return Generated("", *tokens, status="invalid", error=told)
    return Generated(text, *tokens, finished=finished)


def _reasoning_tokens(usage: object) -> int:
    """Return the tokens of thoughts that a server counted; 0 where it gives no sane number."""
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    count = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return count if _is_count(count) else 0


def _refused(reply: Reply, key: ServerKey) -> Generated:
    error = server_error(reply)
    told = key.out_of_message(f"HTTP {reply.status}: {error.text}")
    if is_too_long(reply, error):
        return Generated(status="too_long", error=told)
    return Generated(status="refused" if is_filtered(reply, error) else "engine_error", error=told)


def _no_completion(reply: Reply, error: ValidationError, key: ServerKey) -> str:
    if told := server_error(reply).text:
        return key.out_of_message(f"no chat completion: {told}")
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the body"
    return key.out_of_message(f"no chat completion: {place}: {first['msg']}")


def counted_tokens(usage: object) -> tuple[int, int] | None:
    """Return the tokens (prompt, answer) that a server counted; None where it gives no sane numbers."""
    if not isinstance(usage, dict):
        return None
    prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if _is_count(prompt) and _is_count(answer):
        return prompt, answer
    return None


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_TOKENS
