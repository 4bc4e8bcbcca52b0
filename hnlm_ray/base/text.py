"""Text that is safe to print: no terminal control characters, no lines without end."""

from __future__ import annotations

import unicodedata

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
