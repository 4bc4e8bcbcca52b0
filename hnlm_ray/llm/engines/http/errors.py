"""What a server says is wrong: its error texts, and which of them concern one request alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic_core import from_json

from hnlm_ray.llm.engines.http.transport import Reply

_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|max(?:imum)?[ _]model[ _]len(?:gth)?|too many (?:input )?tokens|"
    r"(?:prompt|input|request) is too long|(?:inputs|max_new_tokens)\W.{0,40}must (?:be|have)",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[ _](?:filter|policy|management)|moderation", re.IGNORECASE)
_FOR_NOW = {408, 425, 429}
_OUT_OF_CREDIT = {"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"}


@dataclass(frozen=True)
class ServerError:
    """An error's ``code`` (else its type) and its text; both as the server wrote them."""

    code: str
    text: str


def server_error(reply: Reply) -> ServerError:
    """Read the error in a reply, in the shapes that servers give it; a page of HTML is named as such."""
    try:
        value = from_json(reply.body)
    except ValueError:
        return ServerError("", _page(reply))
    while isinstance(value, dict):
        inner = value.get("error", value.get("detail"))
        if inner is None:
            break
        value = inner
    if not isinstance(value, dict):
        return ServerError("", value if isinstance(value, str) else "")
    code, text = value.get("code"), value.get("message")
    code = code if isinstance(code, str) else value.get("type")
    return ServerError(code if isinstance(code, str) else "", text if isinstance(text, str) else "")


def _page(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "text/plain":
        return reply.body.decode(errors="replace")
    return f"a body of type {kind or 'unknown'}, no JSON"


def is_for_now(status: int) -> bool:
    """Tell whether the same request may succeed later."""
    return status in _FOR_NOW or status >= 500


def is_too_long(reply: Reply, error: ServerError) -> bool:
    """Tell whether a refused request exceeds the model's context."""
    return reply.status == 413 or (reply.status in {400, 422} and bool(_TOO_LONG.search(f"{error.code} {error.text}")))


def is_filtered(reply: Reply, error: ServerError) -> bool:
    """Tell whether a request was refused for what it is about."""
    return reply.status in {400, 403, 451} and bool(_FILTERED.search(f"{error.code} {error.text}"))


def is_out_of_credit(reply: Reply, error: ServerError) -> bool:
    """Tell whether the server wants money first."""
    return reply.status == 402 or (reply.status in {403, 429} and error.code in _OUT_OF_CREDIT)
