"""What only the user can tell: two readings of a file that are both plausible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One open point.

    Attributes
    ----------
    text
        The question with its evidence, one line.
    choices
        The readings, the likelier first.
    option
        The option of ``hnlm init`` that answers it.
    """

    text: str
    choices: tuple[str, ...]
    option: str


Ask = Callable[[Question], int]
"""Answers a question with the position of a choice."""
