"""Text that is safe to print: no terminal control characters, no secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_USER_INFO = re.compile(r"(\w+://)[^/@\s]+@")
_SECRET_WORDS = r"(?:access_?key|secret|session_?token|token|passw(?:or)?d|api_?key|credential)"  # noqa: S105  names
_ASSIGNED = re.compile(rf"(?i)([\w-]*{_SECRET_WORDS}[\w-]*)(['\"]?\s*[=:]\s*)(['\"]?)[^&\s'\",}}]+")
_SECRET_KEY = re.compile(rf"(?i){_SECRET_WORDS}")
_NOT_SECRET = frozenset({"max_tokens", "item_max_tokens", "user_max_tokens"})
_JOINER = "\u200d"
_MASK = "***"


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


def redacted(text: str) -> str:
    """Mask passwords in URIs (``s3://key:secret@bucket``) and values of secret-looking names."""
    return _ASSIGNED.sub(rf"\1\2\3{_MASK}", _USER_INFO.sub(rf"\1{_MASK}@", text))


def redacted_tree(tree: Any) -> Any:  # noqa: ANN401  any JSON value
    """Mask secrets in a configuration tree."""
    if isinstance(tree, Mapping):
        return {key: _MASK if _is_secret(key, value) else redacted_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [redacted_tree(value) for value in tree]
    return redacted(tree) if isinstance(tree, str) else tree


def _is_secret(key: str, value: object) -> bool:
    return isinstance(value, str) and key not in _NOT_SECRET and _SECRET_KEY.search(key) is not None


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
