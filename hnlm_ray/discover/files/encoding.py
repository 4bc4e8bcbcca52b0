"""The text encoding of some bytes: UTF-8 first, and latin-1 rather than an obscure guess."""

from __future__ import annotations

import codecs
import re
from typing import Final

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
