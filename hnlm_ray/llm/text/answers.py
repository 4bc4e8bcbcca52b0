"""From an LLM's text to typed fields: every answer gets a status, none raises.

The engine is asked for JSON by guided decoding, yet its text stays hostile until parsed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from hnlm_ray.llm.text.repair import REPAIRED, repaired

_MAX_CHARS = 20_000
# Letters and marks that show nothing: fillers, of which a title could be made, and variation selectors, of which there
# is one for each byte of a message that nobody sees.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_NONE = {"none", "n/a", "null", "unknown"}
_REFUSAL = re.compile(r"\s*(?:i(?:'m| am)? (?:sorry|can(?:no|')t|unable)|as an ai)\b", re.IGNORECASE)
_WORDS_EACH = 6


@dataclass(frozen=True)
class Parsed:
    """A status of :data:`hnlm_ray.workspace.tables.STATUSES`, the fields of an ``ok`` answer, else why not.

    A usable answer has an ``error`` too where it was mended: :data:`hnlm_ray.llm.text.repair.REPAIRED`.
    """

    status: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class AnswerFormat:
    """The JSON object asked for: its string fields with their longest length; the first one decides."""

    fields: Mapping[str, int]
    of_pairs: ClassVar[type[dict[str, Any]]] = dict
    """What becomes of a JSON object's keys and values; of a key that stands in it twice the last value counts."""

    @property
    def deciding(self) -> str:
        """The field whose text is the answer; "None" in it means that the model can't tell."""
        return next(iter(self.fields))

    def deciding_alone(self) -> AnswerFormat:
        """Return the format of the simplest usable answer."""
        return AnswerFormat({self.deciding: self.fields[self.deciding]})

    def of(self, data: Mapping[str, Any]) -> AnswerFormat:  # noqa: ARG002  other formats look at it
        """Return the format of the answer to a prompt with this data."""
        return self

    def text_of(self, value: Any) -> str:  # noqa: ANN401  what a column holds
        """Return the text of a deciding field's value: figures of quality are measured on it."""
        return str(value or "")

    def json_schema(self) -> str:
        """Return the schema for guided decoding, as vLLM wants it: a string."""
        properties = {
            name: {"type": "string", "minLength": 1, "maxLength": length} for name, length in self.fields.items()
        }
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(self.fields),
            "additionalProperties": False,
        }
        return json.dumps(schema)

    def parsed(self, value: Mapping[str, object]) -> Parsed:
        """Read an answer that is a JSON object."""
        fields = {}
        for name, length in self.fields.items():
            got = value.get(name)
            if not isinstance(got, str):
                return Parsed("invalid", error=f"field {name} is {type(got).__name__}, not a string")
            fields[name] = shorten(clean(got), length)
        decision = fields[self.deciding].strip(" .\"'")
        if decision.lower() in _NONE:
            return Parsed("none")
        if not any(char.isalnum() for char in decision):
            return Parsed("invalid", error=f"field {self.deciding} has no letter or digit")
        return Parsed("ok", fields)

    def made_of(self, words: Sequence[str], *, none: bool) -> dict[str, Any]:
        """Return an answer of this format made of words, or one that says that it can't tell: for dry runs."""
        starts = range(0, len(self.fields) * _WORDS_EACH, _WORDS_EACH)
        texts = (" ".join(words[start : start + _WORDS_EACH]) for start in starts)
        made = {name: text[:length] for text, (name, length) in zip(texts, self.fields.items(), strict=True)}
        return made | {self.deciding: "None"} if none else made


def parse_answer(text: str, expected: AnswerFormat, *, finished: bool, repair: bool = False) -> Parsed:
    """Read one answer; ``finished`` is False when it stopped at its token limit; ``repair``: mend what is no JSON."""
    if not finished:
        return Parsed("truncated", error="the answer reached its token limit")
    text = text[:_MAX_CHARS]
    if not text.strip():
        return Parsed("invalid", error="the answer is empty")
    if _REFUSAL.match(text):
        return Parsed("refused", error=clean(text)[:120])
    try:
        value = json.loads(text, object_pairs_hook=expected.of_pairs)
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of over 4,300 digits
        mended = _mended(text, expected) if repair else None
        return mended or Parsed("invalid", error=f"no JSON: {clean(text)[:80]!r}")
    if not isinstance(value, dict):
        return Parsed("invalid", error=f"JSON {type(value).__name__} instead of an object")
    return expected.parsed(value)


def _mended(text: str, expected: AnswerFormat) -> Parsed | None:
    """Read a mended answer, if it is usable; not where it matters which keys of any part stood in it twice."""
    value = repaired(text, expected.fields) if expected.of_pairs is dict else None
    parsed = None if value is None else expected.parsed(value)
    return replace(parsed, error=REPAIRED) if parsed is not None and parsed.status in {"ok", "none"} else None


def clean(text: str) -> str:
    """Fold white space and drop what nobody sees: control and direction-changing characters, fillers."""
    if not text.isprintable():  # it has no white space but blanks, and none of the former
        text = "".join(" " if char.isspace() else char for char in text if not is_hidden(char))
    return " ".join(_UNSEEN.sub("", text).split())


def is_hidden(char: str) -> bool:
    """Tell whether :func:`clean` drops a character; white space is not hidden."""
    return not (char.isprintable() or char.isspace()) or _UNSEEN.match(char) is not None


def shorten(text: str, length: int) -> str:
    """Cut a text that fills its length back to its last whole word: guided decoding ends it anywhere."""
    if len(text) < length:
        return text
    words, _, _ = text[:length].rpartition(" ")
    return words or text[:length]
