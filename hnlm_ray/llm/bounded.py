"""Texts of anybody on their way into a prompt: cleaned, cut to a length, and what that changed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from hnlm_ray.llm.answers import clean

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_CHAT_MARK = "<|"
_READ_AHEAD = 4  # so many times the limit are read of a text: white space folds, a megabyte is not cleaned for a title


@dataclass
class BoundedTexts:
    """Takes the texts of one row; ``cut`` and ``defused`` are those of :class:`~hnlm_ray.llm.job.RowPrompt`."""

    cut: int = 0
    defused: bool = False

    def take(self, text: str | None, limit: int) -> str:
        """Return at most ``limit`` characters of a text without control characters."""
        if not text or not limit:
            return ""
        read = text[: _READ_AHEAD * limit]
        whole = clean(read)
        self.cut += max(0, len(whole) - limit) + len(text) - len(read)
        self.defused = self.defused or _CHAT_MARK in whole or _holds_hidden(read)
        return whole[:limit].strip()


def _holds_hidden(text: str) -> bool:
    if text.isprintable():
        return False
    return any(unicodedata.category(char) in _HIDDEN and not char.isspace() for char in text)
