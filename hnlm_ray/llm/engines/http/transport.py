"""One POST to a server that may be slow, broken or hostile: bounded in time and bytes, redirects are not followed.

The key of a server: read from the environment where it is used, and kept out of every text.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import MASK, redacted
from hnlm_ray.config.llm import HttpServer
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


for _library in ("httpx2", "httpcore2"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # below that they log headers


@dataclass(frozen=True)
class Reply:
    """A whole response, of whatever status."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A try without a whole response: why, whether another one makes sense, whether anything was reached at all."""

    told: str
    again: bool = True
    reached: bool = True


class Transport:
    """Connections to one server."""

    def __init__(self, server: HttpServer, key: ServerKey) -> None:
        self._server, self._key = server, key
        self._client = httpx2.AsyncClient(
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **key.headers()},
            timeout=httpx2.Timeout(None, connect=server.connect_timeout_s),
            limits=httpx2.Limits(max_connections=server.concurrency, max_keepalive_connections=server.concurrency),
            follow_redirects=False,  # another host is not to see the key
            mounts={"http://": None, "https://": None} if _is_loopback(server.base_url) else None,
        )

    async def post(self, path: str, content: bytes) -> Reply | Failure:
        """Send a body and read the response."""
        limit = self._server.timeout_s
        try:
            async with (
                asyncio.timeout(limit),
                self._client.stream("POST", self._server.base_url + path, content=content) as response,
            ):
                return await self._read(response)
        except TimeoutError:
            return Failure(f"no whole answer in {limit:g} s (timeout_s)", again=False)
        except (httpx2.HTTPError, OSError) as error:
            reached = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
            return Failure(self._key.out_of_message(f"{type(error).__name__}: {error}"), reached=reached)

    async def _read(self, response: httpx2.Response) -> Reply | Failure:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return Failure("the answer is compressed, which was not asked for", again=False)
        most, body = self._server.max_response_bytes, bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                return Failure(f"the answer is longer than {most} bytes (max_response_bytes)", again=False)
        return Reply(response.status_code, bytes(body), response.headers)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _is_loopback(url: str) -> bool:
    """Tell whether an address is this machine's own: what a proxy is never for."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
