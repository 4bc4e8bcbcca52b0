"""Titles as they are compared, and the index of a catalogue's: what a text names by its title."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from rapidfuzz import fuzz, process

Match = Literal["exact", "fuzzy"]
_YEAR: Final = re.compile(r"\((\d{4})\)\s*$")
_ARTICLE: Final = re.compile(r"^(.*), (the|a|an|les?|la|il|der|die|das|el)$")
_NO_WORD: Final = re.compile(r"[^\w]+")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BESIDE: Final = re.compile(r"\([^()]*\)$")
_LAST_LETTER: Final = re.compile(r"(?<=[\w&] )[ivx](?=\s*(?:[.!?]*$|[:;,(\[–—]| - ))")  # noqa: RUF001 an en dash is meant
_DIGITS: Final = re.compile(r"\d+")
_CARDINALS: Final = "one two three four five six seven eight nine ten eleven twelve"
_ORDINALS: Final = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"


def normalised_title(title: str) -> str:
    """Fold case, accents, punctuation, a trailing year and a trailing article ("Matrix, The (1999)")."""
    return _words(_folded(title))


def numbered_title(title: str) -> str:
    """Return the normalised title with its numbers as digits: "Rocky III" as "rocky 3", "Part Two" as "part 2".

    Numbers are digits (20,000 is one number), roman numerals of two letters or more up to 39, a single I, V or X that
    ends a title, or what stands before a colon, comma, dash or parenthesis, after another word ("Henry V", not
    "V for Vendetta" or "I, Robot"), and the English words from one and first to twelve and twelfth.
    """
    spelled = _LAST_LETTER.sub(lambda letter: _ROMAN[letter[0]], _THOUSANDS.sub("", _folded(title)))
    return " ".join(_number(word) for word in _words(spelled).split())


def numbers_of(numbered: str) -> tuple[str, ...]:
    """Return the numbers of a :func:`numbered_title`, sorted; those within words count too ("5d", "50mm")."""
    return tuple(sorted(digits.lstrip("0") or "0" for digits in _DIGITS.findall(numbered)))


def year_of(title: str) -> str | None:
    """Return the year in parentheses that ends a title; none without."""
    found = _YEAR.search(title)
    return found[1] if found else None


def _folded(title: str) -> str:
    folded = unicodedata.normalize("NFKD", title).casefold()
    digits = (str(unicodedata.decimal(char, char)) for char in folded if not unicodedata.combining(char))
    return _ARTICLE.sub(r"\2 \1", " ".join(_YEAR.sub("", "".join(digits)).split()))


def _words(folded: str) -> str:
    return _NO_WORD.sub(" ", folded).strip()


def _numerals() -> dict[str, str]:
    """Return the roman numerals from 1 to 39 with their digits."""
    ones = ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"]
    return {"x" * tens + one: str(10 * tens + n) for tens in range(4) for n, one in enumerate(ones) if tens or one}


def _english() -> dict[str, str]:
    """Return the English numbers up to twelve and twelfth with their digits: 'two' with 2, 'second' with 2nd."""
    cardinals = {word: str(n) for n, word in enumerate(_CARDINALS.split(), 1)}
    suffixes = {1: "st", 2: "nd", 3: "rd"}
    return cardinals | {word: f"{n}{suffixes.get(n, 'th')}" for n, word in enumerate(_ORDINALS.split(), 1)}


_ROMAN: Final = _numerals()
_NUMBERS: Final = _english() | {numeral: digits for numeral, digits in _ROMAN.items() if len(numeral) > 1}


def _number(word: str) -> str:
    return _NUMBERS.get(word, word)


class TitleIndex:
    """The titles of a catalogue, to be found by what a text says.

    Parameters
    ----------
    titles
        One an item; empty where unknown.
    years
        One an item, where known; none: those in parentheses that end the titles.
    """

    def __init__(self, titles: Sequence[str], years: Sequence[str | None] | None = None) -> None:
        self._years = [year_of(title) for title in titles] if years is None else years
        self._spelled = _by_name([normalised_title(title)] for title in titles)
        self._numbered = _by_name(_numbered_forms(title) for title in titles)
        self._alike: dict[tuple[str, ...], list[str]] = {}
        for name in self._numbered:
            self._alike.setdefault(numbers_of(name), []).append(name)

    def named(self, text: str, least: float) -> tuple[list[int], Match]:
        """Return the items whose title ``text`` is, and how they were found; none where it is no title.

        ``exact``: the same normalised title, or the same once numbers are digits (for that a catalogue's title counts
        also without what ends it in parentheses). ``fuzzy``: the title that is most similar, from ``least`` (0 to 100)
        on, among those with the same numbers: "Die Hard 3" is not "Die Hard 2". Of items of one title those of the
        year that the text gives, where it gives one of theirs.
        """
        numbered = numbered_title(text)
        exact = self._spelled.get(normalised_title(text)) or self._numbered.get(numbered)
        if exact:
            return self._of_year(exact, year_of(text)), "exact"
        return self._of_year(self._similar(numbered, least), year_of(text)), "fuzzy"

    def _similar(self, numbered: str, least: float) -> list[int]:
        choices = self._alike.get(numbers_of(numbered), []) if numbered else []
        best = process.extractOne(numbered, choices, scorer=fuzz.ratio, score_cutoff=least)
        return self._numbered[best[0]] if best else []

    def _of_year(self, items: list[int], year: str | None) -> list[int]:
        return [item for item in items if year and self._years[item] == year] or items


def _numbered_forms(title: str) -> list[str]:
    return [numbered_title(title), numbered_title(_BESIDE.sub("", _YEAR.sub("", title).strip()).strip())]


def _by_name(names: Iterable[Sequence[str]]) -> dict[str, list[int]]:
    """Return the items of each name, in their order; ``names`` has those of each item, empty ones name nothing."""
    found: dict[str, list[int]] = {}
    for item, of_item in enumerate(names):
        for name in dict.fromkeys(of_item):
            if name:
                found.setdefault(name, []).append(item)
    return found
