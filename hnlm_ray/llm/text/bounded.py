"""Texts of anybody on their way into a prompt: cleaned, cut to a length, and what that changed."""

from __future__ import annotations

from dataclasses import dataclass

from hnlm_ray.llm.text.answers import clean, is_hidden
from hnlm_ray.llm.text.chat_tokens import has_chat_marks

# Soft hyphen, the joiners of Persian, Indic scripts and emoji, the selectors of text and emoji: nobody's attack.
_ORDINARY = frozenset("\u00ad\u200c\u200d\ufe0e\ufe0f")
_READ_AHEAD = 4  # so many times the limit are read of a text: white space folds, a megabyte is not cleaned for a title


@dataclass
class BoundedTexts:
    """Takes the texts of one row; ``cut`` and ``defused`` are those of :class:`~hnlm_ray.llm.rows.job.RowPrompt`."""

    cut: int = 0
    defused: bool = False

    def take(self, text: str | None, limit: int) -> str:
        """Return at most ``limit`` characters of a text without hidden characters.

        Control tokens of chats stay in it: :class:`~hnlm_ray.llm.text.prompts.Prompt` breaks them up wherever they are.
        """
        if not text or not limit:
            return ""
        read = text[: _READ_AHEAD * limit]
        whole = clean(read)
        shown = whole[:limit].strip()
        self.cut += max(0, len(whole) - limit) + len(text) - len(read)
        self.defused = self.defused or has_chat_marks(shown) or _holds_hidden(read)
        return shown


def _holds_hidden(text: str) -> bool:
    if text.isascii() and text.isprintable():
        return False
    return any(is_hidden(char) for char in set(text) - _ORDINARY)
