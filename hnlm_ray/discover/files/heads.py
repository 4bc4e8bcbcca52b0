"""The first bytes of one file as text: whether it is one, and how it is encoded.

The text encoding of some bytes: UTF-8 first, and latin-1 rather than an obscure guess.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import FileFormat
from hnlm_ray.discover.files.inputs import Place, refuse_binary
from hnlm_ray.sources.readers.streams import Utf8Stream, open_utf8

_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_TRUSTED: Final = frozenset(
    {"cp932", "euc_jp", "gb18030", "big5", "cp949"}
    | {"cp1251", "koi8_r", "koi8_u", "cp1253", "iso8859_7", "cp1255", "iso8859_8", "cp1256", "iso8859_6"}
)
"""Encodings of other scripts than Latin; a guess of one is believed where much of the text is in it."""
_USUAL: Final = {
    "shift_jis": "cp932",
    "shift_jis_2004": "cp932",
    "shift_jisx0213": "cp932",
    "euc_jis_2004": "euc_jp",
    "euc_jisx0213": "euc_jp",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5hkscs": "big5",
}
"""The encoding that people use, for one that is its part or its rare extension."""
_FOREIGN_SHARE = 0.1
_GUESSED_BYTES = 64 * 1024
_DAMAGED = 20
"""UTF-8 with one broken byte in 20 good characters is UTF-8 with bad lines, not another encoding."""


def encoding_of(data: bytes) -> str:
    """Name the encoding of the first bytes of a file, as Python does; ``data`` may end inside a character."""
    for mark, name in _BOMS.items():
        if data.startswith(mark):
            return name
    if wide := _utf_16(data[:4096]):
        return wide
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(data)
    broken = sum("\udc80" <= char <= "\udcff" for char in text)
    if not broken:
        return "utf-8"
    foreign = sum(char > "\x7f" for char in text) - broken
    return "utf-8" if foreign > _DAMAGED * broken else _legacy(data)


def _utf_16(head: bytes) -> str | None:
    """Texts in UTF-16 have a zero in every second byte wherever they are ASCII."""
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.4 * half and not head[::2].count(0):
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > 0.4 * half and not head[1::2].count(0) else None


def _legacy(data: bytes) -> str:
    from charset_normalizer import from_bytes

    lines = [line for line in data.split(b"\n") if not line.isascii()]
    sample = b"\n".join(lines)[:_GUESSED_BYTES]
    high = len(re.findall(rb"[\x80-\xff]", sample))
    if high > _FOREIGN_SHARE * len(sample):
        found = from_bytes(sample).best()
        name = codecs.lookup(found.encoding).name.replace("-", "_") if found else ""
        if _USUAL.get(name, name) in _TRUSTED:
            return _USUAL.get(name, name)
    return _western(data)


def _western(data: bytes) -> str:
    """Windows writes its quotes and dashes into bytes that latin-1 keeps for control characters."""
    if not re.search(rb"[\x80-\x9f]", data):
        return "latin-1"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


HEAD_BYTES = 1 << 20
_MOST_MIB = 15
_TEXT_LIKE = 0.02
"""Control characters in a text, at most: more of them is a binary file."""
_CONTROL: Final = bytes(set(range(32)) - {1, 9, 10, 12, 13, 27})


@dataclass(frozen=True)
class Head:
    """The first bytes of a file as text: whole lines, unless ``whole_lines`` is false."""

    text: str
    encoding: str
    whole_lines: bool


def read_head(place: Place) -> Head | None:
    """Read the first MiB of a file; None for Parquet.

    Raises
    ------
    InputError
        When it is no text, has no lines, or is damaged.
    """
    data, later = _first_bytes(place)
    if data.startswith(b"PAR1"):
        if place.compression != "none":
            raise InputError(f"{place.shown} is a packed Parquet file; unpack it and name the unpacked file")
        return None
    refuse_binary(place.shown, data)
    encoding = encoding_of(later or data)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff").replace("\r\n", "\n")
    control = sum(map(data.count, (bytes([one]) for one in _CONTROL))) if not encoding.startswith("utf-16") else 0
    if encoding[:6] not in {"utf-16", "utf-32"} and control > _TEXT_LIKE * len(data):
        raise InputError(f"{place.shown} is no text: a table is needed (CSV, TSV, JSON lines or Parquet)")
    return _lines(place, text, encoding, ended=len(data) < HEAD_BYTES)


def _lines(place: Place, text: str, encoding: str, *, ended: bool) -> Head:
    if not text.strip():
        raise InputError(f"{place.shown} is empty; name a file with data")
    if "\n" not in text and "\r" in text:
        raise InputError(f"{place.shown} ends its lines with carriage returns alone; write it with line feeds")
    if ended:
        return Head(text, encoding, whole_lines=True)
    kept, newline, _ = text.rpartition("\n")
    if not newline and not _json_document(text):
        raise InputError(f"the first line of {place.shown} is longer than 1 MiB; that is no table with a row a line")
    return Head(kept if newline else text, encoding, bool(newline))


def _json_document(text: str) -> bool:
    return text.lstrip()[:1] in {"[", "{"}


def _first_bytes(place: Place) -> tuple[bytes, bytes]:
    """Return the first MiB, and where that is ASCII some later lines that are not: they tell the encoding."""
    with opened(place, {}) as stream:
        held = _filled(stream)
        if not held.isascii() or len(held) < HEAD_BYTES or held.startswith(b"PAR1"):
            return held, b""
        for _ in range(_MOST_MIB):
            data = _filled(stream)
            if not data.isascii():
                return held, b"\n".join(line for line in data.split(b"\n")[1:-1] if not line.isascii())
            if len(data) < HEAD_BYTES:
                break
        return held, b""


def _filled(stream: Utf8Stream) -> bytes:
    held = b""
    while len(held) < HEAD_BYTES and (data := stream.read(HEAD_BYTES - len(held))):
        held += data
    return held


@contextmanager
def opened(place: Place, options: Mapping[str, Any]) -> Iterator[Utf8Stream]:
    """Open a place; as UTF-8 the reader gives the bytes as they are."""
    told = {"path": place.path, "compression": place.compression, "member": place.member, **options}
    with open_utf8(place.file(), FileFormat(**told)) as stream:
        yield stream
