"""What a server says is wrong: which errors concern one request alone, and when the stage must stop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pydantic_core import from_json

from hnlm_ray.base.errors import HnlmError, InputError, StageError
from hnlm_ray.config.llm import HttpServer
from hnlm_ray.llm.engines.http.transport import Reply, ServerKey

_TOO_LONG = re.compile(
    r"context[ _]?(?:length|window|size|limit)|max(?:imum)?[ _]model[ _]len(?:gth)?|"
    r"too many (?:input |prompt )?tokens|(?:prompt|input|request|messages?) (?:is|are) too long|"
    r"(?:inputs|max_new_tokens)\W.{0,40}must (?:be|have)|reduce the length of the (?:messages|prompt|input)|"
    r"(?:input|prompt)[ _]tokens?(?: count| length)?\b.{0,40}exceed|token count\b.{0,40}exceed|"
    r"\btokens (?:is |are )?too (?:large|long|many) for|"
    r"(?:at most|no more than|up to) \d[\d,.]* (?:input |prompt |context |total )?tokens|"
    r"exceeds?\b.{0,40}(?:number|limit|length|maximum) of.{0,20} tokens",
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
    told = list(_told(value, _DEEPEST))
    return ServerError(next(_codes(value, _DEEPEST), ""), "; ".join(dict.fromkeys(told)))


_DEEPEST = 6
_MOST_TOLD = 4
_WITHIN = ("error", "errors", "detail", "message", "msg")


def _told(value: object, depth: int) -> Iterator[str]:
    """Yield the sentences of an error: of lists the first ones, of a field that is wrong with its place."""
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list) and depth:
        for one in value[:_MOST_TOLD]:
            yield from _told(one, depth - 1)
    elif isinstance(value, dict) and depth:
        place = ".".join(map(str, value["loc"])) if isinstance(value.get("loc"), list) else ""
        for name in _WITHIN:
            for told in _told(value.get(name), depth - 1):
                yield f"{place}: {told}" if place else told


def _codes(value: object, depth: int) -> Iterator[str]:
    """Yield the codes and types of an error, the innermost first; a number in quotes is no code."""
    if isinstance(value, list) and depth:
        for one in value[:_MOST_TOLD]:
            yield from _codes(one, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in _WITHIN:
            yield from _codes(value.get(name), depth - 1)
        codes = (value.get(name) for name in ("code", "type", "status"))
        yield from (code for code in codes if isinstance(code, str) and code and not code.isdecimal())


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


_MOST_IN_A_ROW = 20
_GO_ON = "what is done is kept: the same command goes on"


class CircuitBreaker:
    """What the replies so far say of a server; once hopeless, it stays so for this engine.

    ``heard``: whole responses so far, of whatever status.
    """

    def __init__(self, server: HttpServer, setting: str, key: ServerKey) -> None:
        self._server, self._setting, self._key = server, setting, key
        self.heard = 0
        self._useful, self._failed_in_a_row = False, 0
        self._final: HnlmError | None = None

    def told(self, reply: Reply) -> str:
        """Return a reply's status and error text, fit to be shown."""
        text = self._key.out_of_message(server_error(reply).text)
        return f"HTTP {reply.status}: {text}" if text else f"HTTP {reply.status}"

    def stop_if_hopeless(self, reply: Reply | None = None) -> None:
        """Raise the reason why no request can succeed: what ``reply`` says, or what was found before."""
        if self._final is None and reply is not None:
            self._final = self._hopeless(reply)
        if self._final is not None:
            raise type(self._final)(str(self._final))

    def useful(self) -> None:
        """Note an answer."""
        self._useful, self._failed_in_a_row = True, 0

    def refused(self, told: str) -> None:
        """Note that a request was refused for good; each of the first ones: then it is not the rows."""
        if not self._useful:
            at = self._setting
            self.failed(f"it refuses every request; check {at}.structured, {at}.limit_field and {at}.extra; {told}")

    def failed(self, told: str) -> None:
        """Note a request without an answer, all its tries over."""
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _MOST_IN_A_ROW:
            count = self._failed_in_a_row
            self._stop(f"{self._server.base_url} gave no answer to {count} requests in a row ({told}); {_GO_ON}")

    def unreached(self, told: str) -> None:
        """Stop: nothing was heard during all the tries of a request."""
        remedy = f"start it, or set {self._setting}.base_url"
        self._stop(f"no server answers at {self._server.base_url} ({told}): {remedy}; {_GO_ON}")

    def _stop(self, told: str) -> NoReturn:
        self._final = StageError(told)
        raise StageError(told)

    def _hopeless(self, reply: Reply) -> HnlmError | None:
        error, at = server_error(reply), f"{self._server.base_url} answers {self.told(reply)}"
        if is_out_of_credit(reply, error):
            return StageError(f"{at}; pay for more, then the same command goes on: what is done is kept")
        if reply.status == 401:
            return self._key_refused(f"{self._server.base_url} answers HTTP 401")  # its text may quote the key
        if self._useful or is_filtered(reply, error):
            return None
        return self._key_refused(at) if reply.status == 403 else self._wrong_address(reply, at)

    def _key_refused(self, at: str) -> InputError:
        variable = self._server.api_key_env
        if variable is None:
            return InputError(f"{at}: it wants a key; set {self._setting}.api_key_env to the variable that holds it")
        return InputError(f"{at}: put a valid key into environment variable {variable} on every node that runs engines")

    def _wrong_address(self, reply: Reply, at: str) -> InputError | None:
        if reply.status in {404, 405}:
            return InputError(f"{at}; check {self._setting}.base_url (most end in /v1) and the model's name")
        if 300 <= reply.status < 400:
            target = self._key.out_of_message(reply.headers.get("location", "nowhere"))
            remedy = f"which is not followed: set {self._setting}.base_url to the final address"
            return InputError(f"{self._server.base_url} redirects to {target}, {remedy}")
        return None
