"""An answer that is almost JSON, mended by json-repair: only where ``llm.repair_json`` asks for it, never silently.

The library guesses. What it can but guess about stays invalid: an answer that was cut, a field that stands in it twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

REPAIRED: Final = "repaired JSON"
"""What the column ``error`` of a usable answer says that was mended."""
_MOST_CHARS: Final = 4_000
_MOST_OPENED: Final = 100
"""Brackets opened. The library's time grows with the square of both: what is longer or deeper stays as it is."""


def repaired(text: str, fields: Collection[str]) -> dict[str, Any] | None:
    """Return the one JSON object that a text seems to mean, whatever is in it; None where that is not clear.

    Mended are code fences and words around the object, single or missing quotes, quotes within a text, missing or
    further commas, comments and raw line ends.
    """
    if not _can_be_mended(text) or any(_twice(name, text) for name in fields):
        return None
    import json_repair

    try:
        value = json_repair.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _can_be_mended(text: str) -> bool:
    return "}" in text and len(text) <= _MOST_CHARS and sum(map(text.count, "{[(")) <= _MOST_OPENED


def _twice(name: str, text: str) -> bool:
    """Tell whether a field may stand in a text twice: the library takes the last value of it, and tells nobody."""
    return len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)\W{{0,3}}?:", text)) > 1
