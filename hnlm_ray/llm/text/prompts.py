"""Prompts: versioned text files, filled with user data as JSON.

Texts that travel with the package and that a user may replace by a file: prompts and queries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hnlm_ray.base.errors import InputError
from hnlm_ray.llm.text.chat_tokens import without_chat_marks


@dataclass(frozen=True)
class TextFolder:
    """A folder of text files in a package; ``kind`` is what a sentence calls one of them."""

    package: str
    folder: str
    kind: str

    def names(self) -> list[str]:
        """Return the names of the texts that come with the package."""
        entries = (files(self.package) / self.folder).iterdir()
        return sorted(entry.name.removesuffix(".txt") for entry in entries if entry.name.endswith(".txt"))

    def read(self, name: str) -> str:
        """Read a text by its shipped name, or a file's path.

        Raises
        ------
        InputError
            When there is none; the sentence lists those that come with the package.
        """
        shipped = files(self.package) / self.folder / f"{name}.txt"
        try:
            is_shipped = "/" not in name and shipped.is_file()
            return shipped.read_text("utf-8") if is_shipped else Path(name).read_text("utf-8")
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL character in the path
            raise InputError(
                f"{self.kind} '{name}' can't be read: use {', '.join(self.names())} or a file's path"
            ) from error


def text_version(name: str, text: str) -> str:
    """Return what names a text in rows and fingerprints: its file's name and the first characters of its hash."""
    return f"{Path(name).name.removesuffix('.txt')}:{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
