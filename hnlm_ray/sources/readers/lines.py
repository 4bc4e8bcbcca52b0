"""A stream of bytes as blocks of whole text lines with their physical numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hnlm_ray.sources.readers.rejects import FileRejects
from hnlm_ray.sources.readers.streams import Utf8Stream

READ_BYTES = 4 * 2**20
LINE_LIMIT = 2**20
TOO_LONG = "line is longer than 1 MiB"


@dataclass(frozen=True)
class Block:
    """Whole lines that follow each other.

    Attributes
    ----------
    first
        Physical number of the first line; the file's first is 1.
    text
        The lines with newlines between them.
    damaged
        Some bytes did not decode: they stand as lone surrogates (``surrogateescape``).
    ends
        A record can't go on in the next block: the file ends here, or a line was left out.
    """

    first: int
    text: str
    damaged: bool
    ends: bool


def line_blocks(stream: Utf8Stream, rejects: FileRejects, limit: int = LINE_LIMIT) -> Iterator[Block]:
    """Yield a file's lines about 4 MiB at a time; a line over ``limit`` bytes is rejected without being held."""
    number, rest = 1, b""
    while data := stream.read(READ_BYTES):
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if newline:
            yield from _blocks(whole, number, rejects, limit)
            number += whole.count(b"\n") + 1
        if len(rest) > limit:
            _reject(number, rejects)
            yield Block(number, "", damaged=False, ends=True)
            rest, number = _after_line(stream), number + 1
    whole = rest.removesuffix(b"\n")
    if rest:
        yield from _blocks(whole, number, rejects, limit)
    yield Block(number + whole.count(b"\n") + 1, "", damaged=False, ends=True)


def _after_line(stream: Utf8Stream) -> bytes:
    """Drop the rest of a line and return what was already read behind it."""
    while data := stream.read(READ_BYTES):
        _, newline, after = data.partition(b"\n")
        if newline:
            return after
    return b""


def _blocks(data: bytes, number: int, rejects: FileRejects, limit: int) -> Iterator[Block]:
    """Decode whole lines, leaving out those over the limit."""
    text, damaged = _decode(data)
    text = text.removeprefix("\ufeff") if number == 1 else text
    if _longest(data) <= limit:
        yield Block(number, text, damaged, ends=False)
        return
    lines, start = text.split("\n"), 0
    for index, line in enumerate(lines):
        if len(line) * 4 > limit and len(line.encode("utf-8", "surrogateescape")) > limit:
            _reject(number + index, rejects)
            yield Block(number + start, "\n".join(lines[start:index]), damaged, ends=True)
            start = index + 1
    yield Block(number + start, "\n".join(lines[start:]), damaged, ends=False)


def _longest(data: bytes) -> int:
    """Return the bytes of the longest line."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    return int(np.diff(ends, prepend=-1, append=len(data)).max()) - 1


def _decode(data: bytes) -> tuple[str, bool]:
    try:
        return data.decode("utf-8"), False
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), True


def _reject(line: int, rejects: FileRejects) -> None:
    rejects.read(1)
    rejects.add(line, TOO_LONG)
