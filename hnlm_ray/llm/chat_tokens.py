"""Chat messages as the tokens that a model reads."""

from __future__ import annotations

from collections.abc import Sequence


def defused(text: str, special: Sequence[str]) -> str:
    """Break up what the tokenizer would read as its own control tokens: a title can't end a message."""
    for token in special:
        if token.strip() and len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
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
