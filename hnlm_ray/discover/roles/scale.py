"""The scale of a rating: its numbers, the numbers of its words, and from where a rating is a positive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.names import is_word

Numbers = npt.NDArray[np.float64]

MOST_STEPS = 101
MOST_WORDS = 60
_POSITIVE_FROM: Final = {
    1.0: 1.0,
    2.0: 2.0,
    3.0: 3.0,
    4.0: 3.0,
    5.0: 4.0,
    6.0: 5.0,
    7.0: 5.0,
    10.0: 7.0,
    20.0: 14.0,
    100.0: 70.0,
}
"""From which rating a scale with this top counts as liked: 4 of 5, 7 of 10."""
_NUMBER: Final = re.compile(
    r"(-?\d+(?:[.,]\d+)?)\s*(?:/\s*\d+|von \d+|out of \d+|stars?|sterne|étoiles|星|점|★|%|点|分)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Scale:
    """A scale of ratings.

    Attributes
    ----------
    low, high, steps
        The least and greatest rating, and how many different ones there are.
    min_rating
        The least rating of a positive.
    values
        The number of each word; empty for plain numbers.
    told
        The evidence in words.
    """

    low: float
    high: float
    steps: int
    min_rating: float
    told: str
    values: Mapping[str, float] = field(default_factory=dict)


def scale_of(column: Column, *, named: bool = False) -> Scale | None:
    """Read a column as ratings; None when it holds none.

    Parameters
    ----------
    column
        The column.
    named
        Its name, or the user, says that it holds ratings: then it may have any number of steps (7.85 of 10).
    """
    if not column.distinct:
        return None
    clean = len(column.numbers) == column.distinct or column.distinct <= 2 * MOST_STEPS
    if column.numeric and (clean or named):
        return _numeric(column.numbers, {}, column, named=named)
    if column.distinct > MOST_WORDS:
        return None
    return _words(column) or _written(column)


def _numeric(numbers: Numbers, values: Mapping[str, float], column: Column, *, named: bool = False) -> Scale | None:
    low, high, steps = float(numbers.min()), float(numbers.max()), len(np.unique(numbers))
    if steps < 2 or (steps > MOST_STEPS and not named) or high > 100 or low < -100:
        return None
    least = _least_positive(low, high, np.unique(numbers))
    spread = f"{steps} different ratings from {low:g} to {high:g}, {column.filled:.0%} of the rows have one"
    return Scale(low, high, steps, least, spread, values)


def _least_positive(low: float, high: float, known: Numbers) -> float:
    """Take the usual threshold of a scale, else the first step in its upper 30%."""
    top = next((usual for usual in (1.0, 5.0, 10.0, 20.0, 100.0) if high <= usual), high) if low >= 0 else high
    if low >= 0 and high in _POSITIVE_FROM:
        top = high
    wanted = _POSITIVE_FROM.get(top, top - 0.3 * (top - low)) if low >= 0 else high - 0.3 * (high - low)
    if wanted == 1.0 and len(known) > 3:  # shares from 0 to 1, not yes and no
        wanted = 0.7
    return float(min((step for step in known if step >= wanted), default=high)) if wanted > high else round(wanted, 4)


def _words(column: Column) -> Scale | None:
    """Words of approval and rejection; both must be known, and no other word may be there."""
    numbers = {word: _number_of(word) for word in map(str.strip, column.head)}  # the readers strip values too
    values = {word: number for word, number in numbers.items() if number is not None}
    known = set(values.values())
    if len(values) < len(numbers) or not {0.0, 1.0} <= known:
        return None
    liked = ", ".join(word for word, number in values.items() if number == 1)
    return Scale(0.0, 1.0, len(known), 1.0, f"words, of which {liked} is approval", values)


def _number_of(word: str) -> float | None:
    if is_word("positive", word):
        return 1.0
    if is_word("negative", word):
        return 0.0
    return 0.5 if is_word("neutral", word) else None


def _written(column: Column) -> Scale | None:
    """Numbers in another dress: '4,5', '4/5', '4 stars', '★★★★☆'."""
    values = {text.strip(): number for text in column.head if (number := _dressed(text.strip())) is not None}
    tops = {text.rpartition("/")[2].strip() for text in values if "/" in text}
    if len(values) < column.distinct or len(tops) > 1 or (tops and not all("/" in text for text in values)):
        return None
    return _numeric(np.array(list(values.values())), values, column)


def _dressed(text: str) -> float | None:
    if text and not text.strip("★☆⭐"):
        return float(text.count("★") + text.count("⭐"))
    found = _NUMBER.fullmatch(text)
    return float(found.group(1).replace(",", ".")) if found else None
