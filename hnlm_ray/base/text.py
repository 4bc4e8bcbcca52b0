"""Text that is safe to print: no terminal control characters, no lines without end.

Keeps secrets out of what is printed and of what stands beside tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_USER_INFO = re.compile(r"\b(\w{1,20}://)[^/@\s]{1,2000}@")
_NAMES = r"(?:access_?key(?:_id)?|secret(?:_key)?|token|passw(?:or)?d|api_?key|credentials?)"
_SECRET_NAME = re.compile(rf"(?i)(?:^|[^a-z]){_NAMES}$")
_ASSIGNED = re.compile(rf"(?i)(?<![a-z])({_NAMES})(['\"]?(?:\s*=\s*|:\s+(?:got\s+)?))(['\"]?)[^&\s'\",}}]+")
MASK = "***"


def redacted(text: str) -> str:
    """Mask passwords in URIs (``s3://key:secret@bucket``) and values of secret-looking names."""
    return _ASSIGNED.sub(rf"\1\2\3{MASK}", _USER_INFO.sub(rf"\1{MASK}@", text))


def redacted_tree(tree: Any) -> Any:  # noqa: ANN401  any JSON value
    """Mask secrets in a configuration tree: whatever stands under a secret name but a mapping or null, and in texts."""
    if isinstance(tree, Mapping):
        return {key: MASK if _is_secret(key, value) else redacted_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [redacted_tree(value) for value in tree]
    return redacted(tree) if isinstance(tree, str) else tree


def _is_secret(key: str, value: object) -> bool:
    return value is not None and not isinstance(value, Mapping) and is_secret_name(key)


def is_secret_name(name: str) -> bool:
    """Tell whether a key's value should never be shown: ``hf_token``, ``aws_secret_access_key``, ..."""
    return _SECRET_NAME.search(name) is not None


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
