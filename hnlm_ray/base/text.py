"""Text that is safe to print: no terminal control characters, no lines without end."""

from __future__ import annotations

import re
import unicodedata

from hnlm_ray.base.redaction import redacted

_JOINER = "\u200d"


def clean(text: object) -> str:
    r"""Escape what could move a terminal's cursor or hide text; '\x1b' becomes the four characters \\x1b."""
    return "".join(
        char
        if char.isprintable() or char == _JOINER or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in str(text)
    )


def clean_lines(text: str) -> str:
    """Clean each line, and keep the lines apart."""
    return "\n".join(clean(line) for line in text.split("\n"))


def shorten(text: object, width: int) -> str:
    """Clean a text and cut it to ``width`` characters."""
    whole = clean(text)
    return whole if len(whole) <= width else f"{whole[: width - 3]}..."


def duration(seconds: float) -> str:
    """Write seconds for a reader: '0.4 s', '42 s', '3:20', '1:02:03'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: what fits into one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def named(error: BaseException) -> str:
    """Return an error's type and first line; of an error without a text the type alone."""
    return f"{type(error).__name__}: {first_line(error)}" if str(error).strip() else type(error).__name__


_WIDTH = 300


_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*"|`[^`]*`)(?!\w)""")


_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def folded(message: str) -> str:
    """Return a message without what differs from row to row: 'N prompt and N answer tokens exceed ...'."""
    return _NUMBER.sub("N", _QUOTED.sub("'...'", message))


def shown(message: str | None) -> str:
    """Return a message that is safe to print: no control characters, no secrets, of bounded length."""
    return "no message" if message is None else redacted(shorten(" ".join(message.split()), _WIDTH))
