"""The first bytes of one file as text: whether it is one, and how it is encoded."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import FileFormat
from hnlm_ray.discover.files.encoding import encoding_of
from hnlm_ray.discover.files.inputs import Place, refuse_binary
from hnlm_ray.sources.readers.streams import Utf8Stream, open_utf8

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
