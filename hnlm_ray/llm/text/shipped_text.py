"""Texts that travel with the package and that a user may replace by a file: prompts and queries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hnlm_ray.base.errors import InputError


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
