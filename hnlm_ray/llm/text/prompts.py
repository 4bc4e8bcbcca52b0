"""Prompts: versioned text files, filled with user data as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hnlm_ray.base.errors import InputError
from hnlm_ray.llm.text.chat_tokens import without_chat_marks
from hnlm_ray.llm.text.shipped_text import TextFolder, text_version

_SEPARATOR = "\n===\n"
_SLOT = "{data}"
_SHIPPED = TextFolder("hnlm_ray.llm", "prompts", "prompt")
_SIMPLER_CHARS, _SIMPLER_ENTRIES = 120, 4


@dataclass(frozen=True)
class Prompt:
    """A system text and a user text with one slot for data.

    ``version`` names it in each row: the file's name and the first characters of its hash.
    """

    version: str
    system: str
    user: str

    def messages(self, data: Mapping[str, object]) -> list[dict[str, str]]:
        """Fill the slot with data as one JSON object; its text can't end the message or add a role."""
        text = without_chat_marks(json.dumps(data, ensure_ascii=False))
        return [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.user.replace(_SLOT, text)},
        ]


def simpler(data: object) -> object:
    """Return less of a prompt's data: the beginning of each text, the first entries of each list."""
    if isinstance(data, str):
        return data[:_SIMPLER_CHARS]
    if isinstance(data, Mapping):
        return {name: simpler(value) for name, value in data.items()}
    return [simpler(value) for value in data[:_SIMPLER_ENTRIES]] if isinstance(data, list) else data


def load_prompt(name: str) -> Prompt:
    """Read a prompt by its shipped name (``item_profile.v1``) or a file's path.

    Raises
    ------
    InputError
        When it does not exist or has no system part, separator and slot.
    """
    text = _SHIPPED.read(name)
    system, separator, user = text.partition(_SEPARATOR)
    if not separator or _SLOT not in user or not system.strip():
        raise InputError(f"prompt '{name}' needs a system text, a line '===' and a user text with {_SLOT} in it")
    return Prompt(text_version(name, text), system.strip(), user.strip())


def shipped_prompts() -> list[str]:
    """Return the names of the prompts that come with the package."""
    return _SHIPPED.names()
