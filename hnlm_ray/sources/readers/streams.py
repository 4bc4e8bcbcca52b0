"""One raw file as a stream of UTF-8 bytes: decompressed, transcoded, never held whole.

A stream of bytes as blocks of whole text lines with their physical numbers.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.base.text import first_line
from hnlm_ray.config import FileFormat
from hnlm_ray.sources.readers.files import RawFile
from hnlm_ray.sources.readers.rejects import FileRejects

MAX_EXPANSION = 200
EXPANSION_FREE_BYTES = 64 * 2**20
_SHOWN_CHARS: Final = 60
_BY_ENDING: Final = {".gz": "gzip", ".gzip": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
BROKEN: Final = (
    *(EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException, RuntimeError),
    *(ValueError, OverflowError, struct.error),
)
"""What readers of archives raise where one is damaged; the last of a zip: no UTF-8, no such place, fields cut off."""


def compression_of(name: str, wanted: str) -> str:
    """Name a file's compression: the configured one, or by the ending when that is 'auto'."""
    if wanted != "auto":
        return wanted
    return next((kind for ending, kind in _BY_ENDING.items() if name.lower().endswith(ending)), "none")


class Utf8Stream:
    """``read(size)`` gives UTF-8 bytes. Bytes that the encoding does not know come through as they are.

    Those then are no UTF-8, so that the line they stand in can be rejected alone.
    """

    def __init__(self, file: RawFile, raw: pa.NativeFile, plain: IO[bytes], encoding: str) -> None:
        self.file = file
        self.encoding = codecs.lookup(encoding).name
        self._raw = raw
        self._plain = plain
        self._given = 0
        self._decoder = None if self.encoding in {"utf-8", "ascii"} else _decoder(encoding)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` decompressed bytes as UTF-8; empty at the end of the file."""
        try:
            data = self._plain.read(size)
        except BROKEN as error:
            raise SourceError(
                f"{self.file.name} is damaged after {self._given} readable bytes ({first_line(error)}); fetch it "
                "again, or correct the file's compression in the source section"
            ) from error
        self._given += len(data)
        self._check_expansion()
        return data if self._decoder is None else self._transcode(data)

    def _check_expansion(self) -> None:
        if self._given > EXPANSION_FREE_BYTES and self._given > MAX_EXPANSION * max(1, self._raw.tell()):
            raise SourceError(
                f"{self.file.name} expands more than {MAX_EXPANSION}-fold, as a decompression bomb does; if it is "
                "genuine, unpack it and name the unpacked file"
            )

    def _transcode(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, not data).encode("utf-8", "surrogateescape")  # type: ignore[union-attr]
        except UnicodeError as error:
            raise SourceError(
                f"{self.file.name} is not {self.encoding} near byte {self._given - len(data)}; correct the file's "
                "encoding in the source section"
            ) from error


@contextmanager
def open_utf8(file: RawFile, options: FileFormat) -> Iterator[Utf8Stream]:
    """Open a text file whatever its compression.

    Raises
    ------
    SourceError
        When the file can't be opened, or the encoding's name is unknown.
    """
    try:
        "a".encode(options.encoding)
    except (LookupError, ValueError) as error:  # LookupError also of codecs between bytes, such as base64
        raise SourceError(
            f"unknown encoding {options.encoding[:40]!r} for {file.name}; try utf-8 or latin-1"
        ) from error
    try:
        raw = file.filesystem.open_input_file(file.path)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"can't open {file.name}: {first_line(error)}") from error
    with raw:
        yield Utf8Stream(file, raw, _plain(file, raw, options), options.encoding)


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        return codecs.getincrementaldecoder(encoding)("surrogateescape")
    except (LookupError, TypeError) as error:
        raise SourceError(f"{encoding!r} can't be read in pieces; try utf-8 or latin-1") from error


def _plain(file: RawFile, raw: pa.NativeFile, options: FileFormat) -> IO[bytes]:
    kind = compression_of(file.path, options.compression)
    if kind == "zip":
        return _zip_member(file, raw, options.member)
    if kind == "none":
        return raw  # type: ignore[no-any-return]
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    return bz2.BZ2File(raw) if kind == "bz2" else lzma.LZMAFile(raw)


def _zip_member(file: RawFile, raw: pa.NativeFile, wanted: str | None) -> IO[bytes]:
    """Stream one member; nothing is unpacked to disk, so a member's path is only a label."""
    try:
        archive = zipfile.ZipFile(raw)
        member = _choose(file, archive, wanted)
        return archive.open(member)
    except BROKEN as error:
        raise SourceError(
            f"{file.name} can't be read as zip ({first_line(error)}); unpack it and name the file"
        ) from error


def _choose(file: RawFile, archive: zipfile.ZipFile, wanted: str | None) -> str:
    names = [info.filename for info in archive.infolist()]
    names = [name for name in names if not name.endswith("/") and not _is_clutter(name)]
    chosen = [name for name in names if wanted in (None, name)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(repr(name[:_SHOWN_CHARS]) for name in names[:10]) or "no file"
    asked = "one data file is needed" if wanted is None else f"{wanted[:_SHOWN_CHARS]!r} is not one of them"
    raise SourceError(f"{file.name} holds {listed}, but {asked}; name one in `member` beside the path")


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


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


def below_preamble(blocks: Iterator[Block], options: FileFormat) -> Iterator[Block]:
    """Yield blocks from the first line of the table on.

    Above it are ``options.skip_lines`` lines, and any number of comments and blank lines. Line numbers stay physical.
    """
    left, found = options.skip_lines, False
    for block in blocks:
        if found:
            yield block
            continue
        at, passed, left = _table_start(block.text, left, options.comment)
        if found := at < len(block.text):
            yield replace(block, first=block.first + passed, text=block.text[at:])


def _table_start(text: str, left: int, comment: str | None) -> tuple[int, int, int]:
    """Return where the table starts in a text, the lines above it, and how many are yet to be left out."""
    at = passed = 0
    while at <= len(text):
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)]
        remark = comment is not None and line.startswith(comment)
        if not remark and not left and line not in {"", "\r"}:
            break
        left -= 0 if remark or not left else 1
        passed += 1
        at = end + 1 if end >= 0 else len(text) + 1
    return at, passed, left


def without_comments(block: Block, comment: str | None) -> tuple[Block, npt.NDArray[np.int64]]:
    """Return a block without the lines that are comments, and the physical numbers of its lines, int64[lines]."""
    lines = np.arange(block.first, block.first + block.text.count("\n") + 1, dtype=np.int64)
    if comment is None or not (block.text.startswith(comment) or f"\n{comment}" in block.text):
        return block, lines
    texts = block.text.split("\n")
    kept = [at for at, line in enumerate(texts) if not line.startswith(comment)]
    return replace(block, text="\n".join(texts[at] for at in kept)), lines[kept]


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
