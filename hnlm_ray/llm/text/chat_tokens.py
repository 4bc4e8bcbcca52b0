"""Chat messages as the tokens that a model reads.

Texts of anybody on their way into a prompt: cleaned, cut to a length, and what that changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hnlm_ray.llm.text.answers import clean, is_hidden

# Control tokens by which known families of models tell who speaks (ChatML, Llama, Qwen, Phi, DeepSeek, Gemma, Mistral).
# Words such as "system:" are control tokens of nobody: they are data.
_CHAT_MARK = re.compile(
    r"<[|\uff5c]|<\w{1,30}\|>"
    r"|</?(?:s|unk|pad|bos|eos|start_of_turn|end_of_turn|think|tool_call|tool_response|function_calls?)>"
    r"|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|THINK)\]"
)


def has_chat_marks(text: str) -> bool:
    """Tell whether a text holds what some model reads as a control token of its chats."""
    return _CHAT_MARK.search(text) is not None


def without_chat_marks(text: str) -> str:
    """Break up what some model reads as a control token of its chats: a server's tokenizer is not known."""
    return _CHAT_MARK.sub(lambda found: _broken(found[0]), text)


def _broken(token: str) -> str:
    return f"{token[0]} {token[1:]}"


def defused(text: str, special: Sequence[str]) -> str:
    """Break up what the tokenizer would read as its own control tokens: a title can't end a message."""
    for token in special:
        if token.strip() and len(token) > 1:
            text = text.replace(token, _broken(token))
    return text


class ChatTokenizer:
    """The tokenizer and chat template of a checkpoint."""

    def __init__(self, model: str, *, trust_remote_code: bool = False) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
        self._special = sorted(self._tokenizer.get_added_vocab(), key=len, reverse=True)

    def encode(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the tokens of a prompt."""
        safe = [{**message, "content": defused(message["content"], self._special)} for message in messages]
        text = self._tokenizer.apply_chat_template(safe, tokenize=False, add_generation_prompt=True)
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens


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
