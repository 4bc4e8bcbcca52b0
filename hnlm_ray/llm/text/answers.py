"""From an LLM's text to typed fields: every answer gets a status, none raises.

The engine is asked for JSON by guided decoding, yet its text stays hostile until parsed here. What is read is never
a guess: of two different objects with the fields asked for none is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from hnlm_ray.llm.text.objects import REPAIRED, THINKING_OFF, Said, repaired, said_in

# Letters and marks that show nothing: fillers, of which a title could be made, and variation selectors, of which there
# is one for each byte of a message that nobody sees.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_NONE = {"none", "n/a", "n.a", "null", "unknown", "not available", "not applicable"}
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4\u0060\uff07", "'"))
_CANT = r"(?:can(?:no|')t|can not|won't|will not|(?:am|'m) (?:unable|not able))"
_REFUSAL = re.compile(
    rf"\W*(?:(?:i(?:'m| am) )?(?:(?:very|so|really) )?sorry|i(?:'m| am) (?:afraid|unable|not able)|i {_CANT}|"
    r"i (?:must|have to) decline|i apologi[sz]e|(?:my )?apologies|as an? (?:ai|artificial|large language|language))\b",
    re.IGNORECASE,
)
_REFUSED_FIELD = re.compile(
    rf"\W*(?:i(?:'m| am) )?(?:\w+ )?sorry\b,? (?:but )?(?:as an ai\b.{{0,40}} )?i ?{_CANT}\b", re.IGNORECASE
)
_USABLE = ("ok", "none")
_DEEPEST = 8
"""Objects and lists around an answer."""
_WORDS_EACH = 6


@dataclass(frozen=True)
class Parsed:
    """A status of :data:`hnlm_ray.workspace.tables.STATUSES`, the fields of an ``ok`` answer, else why not.

    A usable answer has an ``error`` too where it was mended: :data:`hnlm_ray.llm.text.objects.REPAIRED`.
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

    def is_meant_by(self, value: Mapping[str, object]) -> bool:
        """Tell whether a JSON object is an answer, whole or not, and not only what stands around one."""
        return any(_folded(name) == _folded(self.deciding) for name in value)

    def parsed(self, value: Mapping[str, object]) -> Parsed:
        """Read an answer that is a JSON object."""
        if self.is_meant_by(value) and _says_none(field_of(value, self.deciding)):
            return Parsed("none")
        fields = {}
        for name, length in self.fields.items():
            got = field_of(value, name)
            if not isinstance(got, str):
                return Parsed("invalid", error=f"field {name} is {type(got).__name__}, not a string")
            fields[name] = shorten(clean(got), length)
        return self._judged(fields)

    def _judged(self, fields: Mapping[str, str]) -> Parsed:
        decision = fields[self.deciding]
        if _REFUSED_FIELD.match(decision.translate(_APOSTROPHES)):
            return Parsed("refused", error=decision[:120])
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
    """Read one answer; ``finished`` is False when it stopped at its token limit; ``repair``: mend what is no JSON.

    The answer is the one object with the fields asked for: the text itself, or within other words, lists and objects.
    """
    if not finished:
        return Parsed("truncated", error="the answer reached its token limit")
    if not text.strip():
        return Parsed("invalid", error="the answer is empty")
    said = said_in(text, expected.of_pairs)
    found = [expected.parsed(answer) for value in said.values for answer in _answers(value, expected, _DEEPEST)]
    usable = [one for place, one in enumerate(found) if one.status in _USABLE and one not in found[:place]]
    if len(usable) > 1:
        return Parsed("invalid", error=f"it holds {len(usable)} different objects with the fields asked for")
    return usable[0] if usable else _unusable(said, expected, found, repair=repair)


def _answers(value: object, expected: AnswerFormat, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the answers in a JSON value: itself, or those within its lists, objects and texts."""
    if isinstance(value, Mapping) and expected.is_meant_by(value):
        yield value
    elif isinstance(value, Mapping | list) and depth:
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _answers(inner, expected, depth - 1)
    elif isinstance(value, str) and "{" in value and depth:
        for inner in said_in(value, expected.of_pairs).values:
            yield from _answers(inner, expected, depth - 1)


def _unusable(said: Said, expected: AnswerFormat, found: Sequence[Parsed], *, repair: bool) -> Parsed:
    """Say why an answer can't be used, where it can't be mended either."""
    if _REFUSAL.match(clean(said.text).translate(_APOSTROPHES)):
        return Parsed("refused", error=clean(said.text)[:120])
    mended = _mended(said.text, expected) if repair and not said.thinking else None
    if mended is not None:
        return mended
    if found:
        return found[-1]
    if said.values:
        return _without_fields(said.values[-1], expected)
    if said.thinking or not said.text.strip():
        return Parsed("invalid", error=f"no JSON, but the model's thoughts: make them end, or set {THINKING_OFF}")
    return Parsed("invalid", error=f"no JSON{' that is whole' if said.cut else ''}: {clean(said.text)[:80]!r}")


def _without_fields(value: object, expected: AnswerFormat) -> Parsed:
    if isinstance(value, Mapping):
        return expected.parsed(value)
    return Parsed("invalid", error=f"JSON {type(value).__name__} instead of an object")


def _mended(text: str, expected: AnswerFormat) -> Parsed | None:
    """Read a mended answer, if it is usable; not where it matters which keys of any part stood in it twice."""
    value = repaired(text, expected.fields) if expected.of_pairs is dict else None
    parsed = None if value is None else expected.parsed(value)
    return replace(parsed, error=REPAIRED) if parsed is not None and parsed.status in _USABLE else None


def field_of(value: Mapping[str, object], name: str) -> object:
    """Return what an object holds under a name, also in other case or with other separators; of several the last."""
    if name in value:
        return value[name]
    return next((value[key] for key in reversed(list(value)) if _folded(key) == _folded(name)), None)


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _says_none(decision: object) -> bool:
    """Tell whether the model says that it can't tell."""
    return decision is None or (isinstance(decision, str) and clean(decision).strip(" .\"'()[]<>*`").lower() in _NONE)


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
