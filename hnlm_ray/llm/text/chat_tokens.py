"""Chat messages as the tokens that a model reads."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
