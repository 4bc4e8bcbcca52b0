"""Judgements as the LLM writes them: a JSON object with an entry for each number of a listed candidate.

Candidates are items of the catalogue by number, so that an answer can't name anything else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from hnlm_ray.llm.text.answers import AnswerFormat, Parsed, clean, field_of, shorten

VERDICTS: Final = {"yes": 1.0, "unsure": 0.0, "no": -1.0}
"""The word for a verdict and what it counts: 1 is wanted, -1 is not."""
WORDS: Final = {value: word for word, value in VERDICTS.items()}
PROBLEMS: Final = ("missing", "malformed", "repeated", "unknown")
"""What may be wrong with a part of an answer: a listed candidate without an entry, an entry that is no verdict, a
candidate with two entries (neither counts), an entry for a number that is not listed."""
_FRAME_CHARS: Final = 40  # of an entry without its reason: its number, the names of its fields, the verdict


class Entries(dict[str, Any]):
    """A JSON object that remembers which of its keys stood in it more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = {name for name, times in Counter(name for name, _ in pairs).items() if times > 1}


@dataclass(frozen=True)
class JudgementFormat(AnswerFormat):
    """An entry for each of ``listed`` candidates: its verdict, after the reason where ``reason_chars`` is not 0."""

    listed: int = 0
    reason_chars: int = 0
    of_pairs: ClassVar[type[dict[str, Any]]] = Entries

    @classmethod
    def of_candidates(cls, listed: int, reason_chars: int) -> JudgementFormat:
        """Return the format for so many candidates; a field of it is an entry with its longest length."""
        return cls({str(n): reason_chars + _FRAME_CHARS for n in range(1, listed + 1)}, listed, reason_chars)

    @property
    def deciding(self) -> str:
        """The part of a parsed answer that holds its texts."""
        return "reasons"

    def deciding_alone(self) -> JudgementFormat:
        """Return the format of verdicts without reasons."""
        return JudgementFormat.of_candidates(self.listed, 0)

    def of(self, data: Mapping[str, Any]) -> JudgementFormat:
        """Return the format for the candidates that a prompt's data lists."""
        return JudgementFormat.of_candidates(len(data["candidates"]), self.reason_chars)

    def text_of(self, value: Any) -> str:  # noqa: ANN401  what a column holds
        """Return the reasons as one text."""
        return " ".join(reason for reason in value or () if reason)

    def json_schema(self) -> str:
        """Return the schema for guided decoding: each number once, in order."""
        reason = {"reason": {"type": "string", "minLength": 1, "maxLength": self.reason_chars}}
        entry = (reason if self.reason_chars else {}) | {"verdict": {"type": "string", "enum": list(VERDICTS)}}
        return json.dumps(_object(dict.fromkeys(self.fields, _object(entry))))

    def is_meant_by(self, value: Mapping[str, object]) -> bool:
        """See :meth:`AnswerFormat.is_meant_by`."""
        return not self.fields.keys().isdisjoint(value)

    def parsed(self, value: Mapping[str, object]) -> Parsed:
        """Read the entries one by one: what is usable stays, whatever is wrong with the others.

        Fields of an ``ok`` answer: ``verdicts`` and ``reasons``, a float and a text (or None) for each listed
        candidate, and the counts of :data:`PROBLEMS`.
        """
        repeated: set[str] = getattr(value, "repeated", set())
        found = {name: _entry(value[name]) for name in self.fields if name in value and name not in repeated}
        verdicts = [found.get(name, (None, None))[0] for name in self.fields]
        if not any(verdicts):  # None: no verdict; 0: unsure
            return Parsed("none") if 0.0 in verdicts else Parsed("invalid", error=self._without_verdict(value))
        counts = {
            "missing": len(self.fields.keys() - value.keys()),
            "malformed": sum(verdict is None for verdict, _ in found.values()),
            "repeated": len(self.fields.keys() & repeated),
            "unknown": len(value.keys() - self.fields.keys()),
        }
        reasons = [self._reason(found.get(name, (None, None))[1]) for name in self.fields]
        return Parsed("ok", {"reasons": reasons, "verdicts": verdicts, **counts})

    def _without_verdict(self, value: Mapping[str, object]) -> str:
        got = ", ".join(clean(name)[:20] for name in list(value)[:4])
        return f"no verdict on any of the candidates 1 to {self.listed}, but entries {got!r}"

    def _reason(self, reason: object) -> str | None:
        text = shorten(clean(reason), self.reason_chars) if isinstance(reason, str) and self.reason_chars else ""
        return text or None

    def made_of(self, words: Sequence[str], *, none: bool) -> dict[str, Any]:
        """See :meth:`AnswerFormat.made_of`."""
        made: dict[str, Any] = {}
        for place, name in enumerate(self.fields):
            word = words[place % len(words)]
            verdict = "unsure" if none else ("no", "yes")[len(word) % 2]
            reason = {"reason": word[: self.reason_chars]} if self.reason_chars else {}
            made[name] = reason | {"verdict": verdict}
        return made


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    required = {"required": list(properties), "additionalProperties": False}
    return {"type": "object", "properties": dict(properties), **required}


def _entry(entry: object) -> tuple[float | None, object]:
    """Return the verdict of an entry, None where it has no usable one, and what it gives as a reason."""
    fields: Mapping[str, object] = {"verdict": entry}
    if isinstance(entry, Mapping):
        fields = {} if getattr(entry, "repeated", set()) else entry
    word = field_of(fields, "verdict")
    verdict = VERDICTS.get(clean(word).strip(" .!\"'").lower()) if isinstance(word, str) else None
    return verdict, None if verdict is None else field_of(fields, "reason")
