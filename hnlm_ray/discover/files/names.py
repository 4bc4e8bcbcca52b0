"""What the name of a column or file says about its role, in many languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final

from hnlm_ray.base.yaml_text import parse_yaml

_TYPED: Final = re.compile(r":(token|float|token_seq|float_seq)$")  # RecBole's atomic files
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\x00-\x7f])(?=[A-Z])")
_NUMBERS: Final = (
    "nummer",
    "nr",
    "kennung",
    "schlussel",
    "code",
    "id",
    "编号",
    "番号",
    "コード",
    "代码",
    "号码",
    "번호",
    "코드",
    "号",
)
_LEAST_PART = 4


@lru_cache(maxsize=16384)
def name_score(role: str, name: str) -> float:
    """Say how clearly a name tells a role of ``words.yaml``: 1 it is one of its words, 0 it holds none."""
    words, parts = _words()[role], tokens(name)
    marks = _words()["id"]
    telling = [_singular(part, words) for part in parts if part not in marks] or list(parts)
    if not words.isdisjoint({"".join(telling), "".join(parts)}):
        return 1.0
    if any(not words.isdisjoint(_bases(part)) for part in telling):
        return 0.9
    return _headed(telling, words) or _part_score(telling, words)


def _part_score(telling: Sequence[str], words: frozenset[str]) -> float:
    """Judge names of which a part is a word: the last one says most, also in compounds ('Kundenbewertung')."""
    if telling and telling[-1] in words:
        return 0.8
    if not words.isdisjoint(telling):
        return 0.6
    held = [(part, word) for part in telling for word in words if _holds(part, word)]
    return 0.7 if any(part.endswith(word) for part, word in held) else 0.5 * bool(held)


def _headed(telling: Sequence[str], words: frozenset[str]) -> float:
    """Judge names whose first word says what they are: 'note_client' is a note, 'date of order' a date."""
    telling = telling[1:] if telling and len(telling[0]) == 1 else telling  # a prefix: 'r.score_client'
    if len(telling) < 2 or telling[0] not in _words()["head"]:
        return 0.0
    if telling[0] in words:
        return 0.85
    return 0.6 if telling[-1] in words else 0.0


def is_word(role: str, value: str) -> bool:
    """Tell whether a whole value is one of a role's words."""
    return "".join(tokens(value)) in _words()[role]


def has_id(name: str) -> bool:
    """Tell whether a name ends as ids do: 'WineID', 'user_id', 'Kundennummer'."""
    parts = tokens(name)
    if not parts:
        return False
    marks = _words()["id"]
    ends = any(parts[-1].endswith(mark) for mark in ("nummer", "番号", "编号", "번호", "id"))
    return (
        parts[-1] in marks or (ends and not parts[-1].isascii()) or parts[-1].endswith(("nummer", "userid", "itemid"))
    )


def only_id(name: str) -> bool:
    """Tell whether a name says 'id' and no more."""
    parts = tokens(name)
    return bool(parts) and all(part in _words()["id"] for part in parts)


def same_name(left: str, right: str) -> bool:
    """Tell whether two names differ at most in case, accents and separators."""
    return bool(tokens(left)) and "".join(tokens(left)) == "".join(tokens(right))


def same_thing(left: str, right: str) -> bool:
    """Tell whether two names name the same thing, the marks of ids apart: 'gadget' and 'Gadget_ID'."""
    marks = _words()["id"]
    one, other = ({part.removesuffix("s") for part in tokens(name) if part not in marks} for name in (left, right))
    return bool(one & other)


@lru_cache(maxsize=4096)
def tokens(name: str) -> tuple[str, ...]:
    """Split a name into folded words: 'reviewerID' is ('reviewer', 'id')."""
    spaced = _HUMP.sub(" ", _TYPED.sub("", name[:200]))
    return tuple(re.findall(r"[^\W_]+", _folded(spaced)))


def _folded(text: str) -> str:
    """Fold case and width, and take accents off Latin letters: 'Käufer' is 'kaufer'."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(char for at, char in enumerate(plain) if not (unicodedata.combining(char) and _is_latin(plain, at)))
    return unicodedata.normalize("NFC", kept)


def _is_latin(text: str, at: int) -> bool:
    base = next((char for char in reversed(text[:at]) if not unicodedata.combining(char)), "")
    return base.isascii()


def _bases(part: str) -> set[str]:
    """Return what a German compound numbers: 'kundennummer' and 'kundennr' number 'kunde'."""
    ending = next((one for one in _NUMBERS if part.endswith(one) and len(part) > len(one) + 2 * one.isascii()), None)
    base = part.removesuffix(ending) if ending else ""
    return {base.removesuffix(joint) for joint in ("", "n", "en", "s")} - {""}


def _singular(part: str, words: frozenset[str]) -> str:
    bases = (part.removesuffix(ending) for ending in ("s", "n", "en", "es") if part.endswith(ending))
    return part if part in words else next((base for base in bases if base in words), part)


def _holds(part: str, word: str) -> bool:
    """Compounds: 'kundennummer', 'filmtitel', '商品番号'; short Latin words are found everywhere, so not looked for."""
    if word.isascii():
        return len(word) >= _LEAST_PART and (part.startswith(word) or part.endswith(word))
    return len(word) > 1 and word in part


@lru_cache(maxsize=1)
def _words() -> dict[str, frozenset[str]]:
    text = (files("hnlm_ray") / "discover" / "words.yaml").read_text(encoding="utf-8")
    tree: dict[str, Sequence[object]] = parse_yaml(text)
    return {role: frozenset("".join(tokens(_spelled(word))) for word in words) for role, words in tree.items()}


def _spelled(word: object) -> str:
    """Undo YAML 1.1's truth values: a list of words may hold a bare yes or no."""
    if isinstance(word, bool):
        raise TypeError(f"words.yaml: quote the word that YAML reads as {word}")
    return str(word)
