"""The JSON objects that an LLM's answer says: in whatever a model puts around them, but not those of its thoughts.

Guided decoding gives the object alone. Without it an answer may stand in a code fence, between words, after thoughts
or in a channel; its strings may hold raw line ends, an object may end in a comma, and its constants may be Python's.
All of that means one thing and is read. What can but be guessed is mended by json-repair, where ``llm.repair_json``
asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

THINKING_OFF: Final = "llm.http.extra: {chat_template_kwargs: {enable_thinking: false}}"
"""The setting by which most servers have a model answer without thoughts."""
REPAIRED: Final = "repaired JSON"
"""What the column ``error`` of a usable answer says that was mended."""
_MAX_CHARS: Final = 20_000
_MOST_WORK: Final = 1_000_000
"""Characters that are decoded in all: braces within braces would otherwise be decoded again and again."""
_TAGS: Final = "think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad|seed:think"
_SPEAKS: Final = (
    rf"</(?:{_TAGS})\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<channel\|>|assistantfinal|"
    r"<\|channel\|>\s*final(?:\s*<\|constrain\|>\s*\w+)?(?:\s*<\|message\|>)?"
)
_THINKS: Final = (
    rf"<(?:{_TAGS})(?:\s[^<>]{{0,80}})?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>|<\|channel>thought"
)
_LAST_WORD = re.compile(f"(?i).*(?:{_SPEAKS})", re.DOTALL)
_MARKS = re.compile(rf"(?i)(?P<object>\{{)|(?P<speaks>{_SPEAKS})|(?P<thinks>{_THINKS})")
_ALMOST = re.compile(r'"(?:[^"\\]|\\.)*+"|(?P<comma>,)(?=\s*[}\]])|\b(?P<word>None|True|False)\b', re.DOTALL)
_WORDS: Final = {"None": "null", "True": "true", "False": "false"}
_ENDS: Final = " \t\r\n`~"


@dataclass
class Said:
    """What an answer says, without its thoughts: its text, and the JSON values that stand in it one after the other.

    They are objects, but where the whole text is JSON of another kind.

    ``thinking``: it ends within its thoughts; ``cut``: it ends within an object, and what it says is not known.
    """

    text: str = ""
    values: list[Any] = field(default_factory=list)
    thinking: bool = False
    cut: bool = False


def thinks(text: str) -> bool:
    """Tell whether a text holds thoughts of the model."""
    return any(mark.lastgroup != "object" for mark in _MARKS.finditer(text[:_MAX_CHARS]))


def said_in(text: str, of_pairs: type[dict[str, Any]] = dict) -> Said:
    """Read what an answer says; ``of_pairs`` makes an object of its keys and values.

    An end of thoughts without a beginning ends all that stands before it: some chats begin them in the prompt. Thoughts
    that never end are not read, but for an object with which the answer ends.
    """
    text = _without_long_thoughts(text)
    try:
        return Said(text, [json.loads(text, object_pairs_hook=of_pairs)])
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of over 4,300 digits
        return _Reader(text, json.JSONDecoder(strict=False, object_pairs_hook=of_pairs)).read()


def _without_long_thoughts(text: str) -> str:
    if len(text) <= _MAX_CHARS:
        return text
    end = _LAST_WORD.match(text[-_MAX_CHARS:])
    return text[-_MAX_CHARS:][end.end() :] if end else text[:_MAX_CHARS]


class _Reader:
    """Goes through a text once, from mark to mark; marks within an object are its own texts."""

    def __init__(self, text: str, decoder: json.JSONDecoder) -> None:
        self._text, self._decoder = text, decoder
        self._said, self._thought = Said(), list[dict[str, Any]]()
        self._at = self._from = self._work = 0
        self._last_end = -1
        self._end = len(text.rstrip(_ENDS))

    def read(self) -> Said:
        """Return what the text says."""
        while not self._said.cut and (mark := _MARKS.search(self._text, self._at)):
            self._at = mark.end()
            if mark.lastgroup == "object":
                self._object(mark.start())
            elif mark.lastgroup == "thinks" and not self._said.thinking:
                self._said.text += self._text[self._from : mark.start()]
                self._said.thinking = True
            elif mark.lastgroup == "speaks":
                self._speak()
        return self._whole()

    def _speak(self) -> None:
        if not self._said.thinking:
            self._said = Said()
        self._said.thinking, self._thought, self._from = False, [], self._at

    def _object(self, start: int) -> None:
        try:
            value, end = self._decoded(start)
        except json.JSONDecodeError as error:
            self._work += error.pos - start
            self._said.cut = self._is_cut(error)
        except (ValueError, RecursionError):  # a number of over 4,300 digits, too many braces
            self._work += len(self._text) - start
        else:
            (self._thought if self._said.thinking else self._said.values).append(value)
            self._at = self._last_end = end
        self._said.cut |= self._work > _MOST_WORK

    def _decoded(self, start: int) -> tuple[dict[str, Any], int]:
        """Decode the object that begins here, also where only commas and constants are not JSON's."""
        try:
            value, end = self._decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            if not self._text.startswith(("}", "]", ",", *_WORDS), error.pos):
                raise
            self._work += len(self._text) - start
            value, end = self._decoder.raw_decode(self._text[:start] + _ALMOST.sub(_as_json, self._text[start:]), start)
        return value, end

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        return error.pos >= self._end or error.msg.startswith("Unterminated")

    def _whole(self) -> Said:
        said = self._said
        if not said.thinking:
            said.text += self._text[self._from :]
        elif self._last_end >= self._end and self._thought:
            said.values, said.thinking = said.values + self._thought, False
        if said.cut:
            said.values = []
        return said


def _as_json(found: re.Match[str]) -> str:
    """Return JSON of the same length: places in the text stay what they are."""
    return " " if found["comma"] else _WORDS.get(found["word"], found[0])


_MOST_REPAIRED: Final = 4_000
_MOST_OPENED: Final = 100
"""Brackets opened. The library's time grows with the square of both: what is longer or deeper stays as it is."""


def repaired(text: str, fields: Collection[str]) -> dict[str, Any] | None:
    """Return the one JSON object that a text seems to mean, whatever is in it; None where that is not clear.

    Mended are single or missing quotes, quotes within a text, missing commas and comments.
    """
    if not _can_be_mended(text) or any(_twice(name, text) for name in fields):
        return None
    import json_repair

    try:
        value = json_repair.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _can_be_mended(text: str) -> bool:
    return "}" in text and len(text) <= _MOST_REPAIRED and sum(map(text.count, "{[(")) <= _MOST_OPENED


def _twice(name: str, text: str) -> bool:
    """Tell whether a field may stand in a text twice: the library takes the last value of it, and tells nobody."""
    return len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)\W{{0,3}}?:", text)) > 1
