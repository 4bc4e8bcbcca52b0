"""The key of a server: read from the environment where it is used, and kept out of every text."""

from __future__ import annotations

import os
import socket

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.redaction import MASK, redacted
from hnlm_ray.config.http import HttpServer
from hnlm_ray.llm.text.answers import clean

_LONGEST_TEXT = 20_000
_SECRET_CHARS = 8
"""A shorter key (vLLM's customary 'EMPTY') is a word that an answer may well hold."""


class ServerKey:
    """The value of ``api_key_env``, or nothing."""

    def __init__(self, server: HttpServer, setting: str) -> None:
        self._value = _read(server.api_key_env, setting)

    def headers(self) -> dict[str, str]:
        """Return what proves to the server that one may ask it."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def out_of_answer(self, text: str) -> str:
        """Return a model's text without the key, should the server have put it in."""
        return self._masked(text) if len(self._value) >= _SECRET_CHARS else text

    def out_of_message(self, text: str, longest: int = 200) -> str:
        """Return what a server or library says as a short line of visible characters, without any secret."""
        return redacted(self._masked(clean(text[:_LONGEST_TEXT])))[:longest]

    def _masked(self, text: str) -> str:
        return text.replace(self._value, MASK) if self._value else text


def _read(variable: str | None, setting: str) -> str:
    if variable is None:
        return ""
    value = os.environ.get(variable, "").strip()
    where = f"environment variable {variable} ({setting}.api_key_env) on {socket.gethostname()}"
    if not value:
        raise InputError(f"{where} is empty or not set: put the server's key into it on every node that runs engines")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise InputError(f"{where} holds no key: one has no blanks, no line ends and ASCII characters only")
    return value
