"""When a stage must stop because of its server, instead of recording row after row as failed."""

from __future__ import annotations

from typing import NoReturn

from hnlm_ray.base.errors import HnlmError, InputError, StageError
from hnlm_ray.config.http import HttpServer
from hnlm_ray.llm.engines.http.errors import is_filtered, is_out_of_credit, server_error
from hnlm_ray.llm.engines.http.http_key import ServerKey
from hnlm_ray.llm.engines.http.transport import Reply

_MOST_IN_A_ROW = 20
_GO_ON = "what is done is kept: the same command goes on"


class Verdict:
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
            self.failed(f"it refuses every request; check {self._setting}.structured and {self._setting}.extra; {told}")

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
