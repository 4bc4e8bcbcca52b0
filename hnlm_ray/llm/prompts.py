"""Prompts: versioned text files, filled with user data as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hnlm_ray.errors import InputError

_SEPARATOR = "\n===\n"
_SLOT = "{data}"


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
        text = json.dumps(data, ensure_ascii=False).replace("<|", "< |")
        return [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.user.replace(_SLOT, text)},
        ]


def load_prompt(name: str) -> Prompt:
    """Read a prompt by its shipped name (``item_profile.v1``) or a file's path.

    Raises
    ------
    InputError
        When it does not exist or has no system part, separator and slot.
    """
    shipped = files("hnlm_ray.llm") / "prompts" / f"{name}.txt"
    try:
        text = shipped.read_text("utf-8") if "/" not in name and shipped.is_file() else Path(name).read_text("utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL character in the path
        raise InputError(
            f"prompt '{name}' can't be read: use {', '.join(shipped_prompts())} or a file's path"
        ) from error
    system, separator, user = text.partition(_SEPARATOR)
    if not separator or _SLOT not in user or not system.strip():
        raise InputError(f"prompt '{name}' needs a system text, a line '===' and a user text with {_SLOT} in it")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Prompt(f"{Path(name).name.removesuffix('.txt')}:{digest}", system.strip(), user.strip())


def shipped_prompts() -> list[str]:
    """Return the names of the prompts that come with the package."""
    folder = files("hnlm_ray.llm") / "prompts"
    return sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))
