"""An OpenAI-compatible server on loopback that misbehaves as it is told, one way a request."""

import asyncio
import json
import ssl
import threading
from dataclasses import dataclass, field

GOOD = '{"summarization": "a quiet film", "reasoning": "it is calm"}'
USAGE = {"prompt_tokens": 21, "completion_tokens": 9}


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict
    body: dict
    at: float


def reply(status=200, body=b"{}", headers=(), kind="application/json"):
    """Answer with this status and body (bytes, or what becomes JSON)."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return raw("\r\n".join([*lines, "", ""]).encode() + content)


def raw(content):
    """Send these bytes, and close where they are no whole response."""

    async def act(_asked, writer):
        writer.write(content)
        await writer.drain()

    return act


def chat(text=GOOD, *, usage=USAGE, finish="stop", **message):
    """Answer as a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return reply(body={"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})


def error(status, message, code=None, headers=()):
    """Answer with an error in OpenAI's shape."""
    return reply(status, {"error": {"message": message, "type": "some_error", "code": code}}, headers)


def cut():
    """Break off in the middle of a body."""
    return closing(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"choices": [')


def closing(content):
    """Send these bytes and hang up."""

    async def act(_asked, writer):
        writer.write(content)
        await writer.drain()
        writer.close()

    return act


def endless():
    """Send a body that never ends, as fast as it is read."""

    async def act(_asked, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    return act


def slow(pause_s=0.05):
    """Send a body byte by byte."""

    async def act(_asked, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(pause_s)

    return act


def silent():
    """Take the request and say nothing."""

    async def act(_asked, _writer):
        await asyncio.sleep(60)

    return act


@dataclass
class HostileServer:
    """Plays its script, one act a request; the last act is played again and again.

    An act is ``async (asked, writer)``; ``script`` may also be a function from a request to its act.
    """

    script: object
    tls: ssl.SSLContext | None = None
    asked: list = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    def __enter__(self):
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    async def _serve(self, started):
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._ending.wait()
        server.close()

    async def _connection(self, reader, writer):
        try:
            while True:
                asked = await self._read(reader)
                self.asked.append(asked)
                self._now += 1
                self.most_at_once = max(self.most_at_once, self._now)
                try:
                    await self._act(asked)(asked, writer)
                finally:
                    self._now -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _act(self, asked):
        if callable(self.script):
            return self.script(asked)
        return self.script[min(len(self.asked), len(self.script)) - 1]

    async def _read(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Asked(head[0].split()[1], headers, json.loads(body), self._loop.time())
