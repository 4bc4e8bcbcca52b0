"""The scale of a rating: its numbers, the numbers of its words, and from where a rating is a positive."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.discover.files.columns import DASHES, MISSING, Column, number_of
from hnlm_ray.discover.files.names import is_word

Numbers = npt.NDArray[np.float64]

MOST_STEPS = 101
MOST_WORDS = 500
_MOST_COMMAS = 20_000
_MOST_ODD = 50
_MOST = 100
_HALF, _STRICT = 0.5, 0.98
_LEAST_STEPS = 3
_RARE, _FAR = 0.05, 1.5
_SCALE_TOPS: Final = (5.0, 10.0, 100.0)
_MOST_ABOVE, _INSIDE, _LEAST_RATING = 2, 0.9, 0.5
_SENTINELS: Final = frozenset(
    {9.0, 66.0, 77.0, 88.0, 97.0, 98.0, 99.0, 127.0, 255.0, 998.0, 999.0, 1000.0, 9998.0, 9999.0, 99999.0}
)
_UNRATED: Final = frozenset({-1.0, -9.0, -88.0, -98.0, -99.0, -100.0, -999.0, -9999.0})
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
_UNIT: Final = r"stars?|sterne?n?|étoiles?|estrellas?|stelle|points?|punkte|pts?|星|점|★|%|点|分"
_OF: Final = r"/|von|out of|of|sur|de|su|av"
_LEAD: Final = r"(?:(?:rated|rating|score|bewertung|bewertet mit|note|mit)\s*:?\s*)?"
_NUMBER: Final = re.compile(rf"{_LEAD}(-?\d+(?:[.,]\d+)?)(?:\s*(?:{_OF})\s*\d+)?\s*(?:{_UNIT})?", re.IGNORECASE)


@dataclass(frozen=True)
class Scale:
    """A scale of ratings.

    Attributes
    ----------
    low, high, steps
        The least and greatest rating, and how many different ones there are.
    min_rating
        The least rating of a positive.
    told
        The evidence in words.
    values
        The number of each word; empty for plain numbers.
    decimal
        The decimal mark of plain numbers.
    odd
        Cells that are no rating, and their rows; words for a missing value are not among them.
    outside
        Numbers beyond a gap or a usual top, above or below the scale (99 for "not rated", a slip of the pen), and
        their rows.
    mean
        Of the ratings of all rows.
    """

    low: float
    high: float
    steps: int
    min_rating: float
    told: str
    values: Mapping[str, float] = field(default_factory=dict)
    decimal: str = "."
    odd: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[float, int] = field(default_factory=dict)
    mean: float = math.inf

    def inverted(self, texts: Sequence[str]) -> Scale:
        """Return the scale of grades of which the least is the best: 1 of 6 counts as 6."""
        read = {text: self.values.get(text) if self.values else _plain(text, self.decimal) for text in texts}
        turned = {text: self.low + self.high - number for text, number in read.items() if number is not None}
        return replace(self, values=turned, decimal=".", told=f"{self.told}; {self.low:g} is the best")


def scale_of(column: Column, *, named: bool = False) -> Scale | None:
    """Read a column as ratings; None when it holds none.

    Parameters
    ----------
    column
        The column.
    named
        Its name, or the user, says that it holds ratings: then it may have any number of steps (7.85 of 10), and up to
        half of its rows may hold something else.
    """
    there = column.counts.copy()
    there[_without_rating(column)] = 0
    if not there.sum():
        return None
    read = _best_reading(column, there)
    if read is None:
        return None
    fits = ~np.isnan(read.numbers) & (there > 0)
    if there[fits].sum() < (_HALF if named else _STRICT) * there.sum() or (not named and _loose(column, fits)):
        return None
    return _scale(column, read, there, fits, named=named)


def _without_rating(column: Column) -> npt.NDArray[np.int64]:
    """Return the places of the distinct values that say that there is no rating, and of a header that comes again."""
    again = column.rows_of(frozenset({column.name}))
    words = pa.array(sorted(MISSING | DASHES | {name for name, rows in again.items() if rows <= _RARE * column.rows}))
    found = pc.is_in(pc.utf8_trim_whitespace(column.uniques), value_set=words)
    return np.flatnonzero(found.to_numpy(zero_copy_only=False))


def _loose(column: Column, fits: npt.NDArray[np.bool_]) -> bool:
    return not fits.all() and column.distinct > 2 * MOST_STEPS


@dataclass(frozen=True)
class _Reading:
    """Each distinct value as a number, NaN where it is none; ``values`` when they are no plain numbers."""

    numbers: Numbers
    decimal: str = "."
    words: bool = False
    dressed: bool = False


def _best_reading(column: Column, there: npt.NDArray[np.int64]) -> _Reading | None:
    """Take the way to read the values that fits most rows, plain numbers first."""
    found = [_Reading(column.parsed)]
    if np.isnan(column.parsed[there > 0]).any():
        few = column.distinct <= MOST_WORDS
        texts = [str(text).strip() for text in column.uniques.to_pylist()] if column.distinct <= _MOST_COMMAS else []
        found += [_Reading(_each(texts, number_of), decimal=",")] if any("," in text for text in texts) else []
        found += [_Reading(_each(texts, _dressed), dressed=True)] if few and _one_top(texts) else []
        found += [_Reading(_approval(texts), words=True)] if few else []
    rows = [int(there[~np.isnan(one.numbers)].sum()) for one in found]
    return found[int(np.argmax(rows))] if max(rows) else None


def _each(texts: Sequence[str], read: Callable[[str], float | None]) -> Numbers:
    return np.array([np.nan if (number := read(text)) is None else number for text in texts])


def _plain(text: str, decimal: str) -> float | None:
    return number_of(text.strip()) if decimal == "," else float(text)


def _one_top(texts: Sequence[str]) -> bool:
    """Tell whether no two tops are written: 4/5 beside 8/10 is no scale."""
    return len({text.rpartition("/")[2].strip() for text in texts if re.fullmatch(r"[\d.,]+\s*/\s*\d+", text)}) < 2


def _top(texts: Sequence[str]) -> float:
    """Return the greatest rating that dressed numbers name: 5 of '4/5', of '4 out of 5' and of '★★★★☆'."""
    starred = [len(text) for text in texts if not text.strip("★☆⭐")]
    named = [int(found.group(1)) for text in texts if (found := re.search(rf"(?:{_OF})\s*(\d+)", text))]
    return float(max([*starred, *named], default=0))


def _scale(
    column: Column, read: _Reading, there: npt.NDArray[np.int64], fits: npt.NDArray[np.bool_], *, named: bool
) -> Scale | None:
    numbers, rows = read.numbers[fits], there[fits]
    inside = within_scale(numbers, rows)
    known = np.unique(numbers[inside])
    low, high, steps = float(known.min()), float(known.max()), len(known)
    if steps < 2 or (steps > MOST_STEPS and not named) or high > _MOST or low < -_MOST:
        return None
    if read.words and not {0.0, 1.0} <= set(known):
        return None
    texts = [str(text).strip() for text in column.uniques.filter(pa.array(fits)).to_pylist()]
    values = dict(zip(texts, map(float, numbers), strict=True)) if read.words or read.dressed else {}
    return Scale(
        *(low, high, steps),
        least_positive(low, max(high, _top(texts) if read.dressed else high), known),
        _told(column, low, high, steps, values if read.words else {}),
        values,
        read.decimal,
        {str(column.uniques[int(at)]): int(there[at]) for at in np.flatnonzero(~fits & (there > 0))[:_MOST_ODD]},
        dict(zip(map(float, numbers[~inside]), map(int, rows[~inside]), strict=True)),
        float(np.average(numbers[inside], weights=rows[inside])),
    )


def _told(column: Column, low: float, high: float, steps: int, words: Mapping[str, float]) -> str:
    if words:
        return f"words, of which {', '.join(word for word, number in words.items() if number == 1)} is approval"
    return f"{steps} different ratings from {low:g} to {high:g}, {column.filled:.0%} of the rows have one"


def within_scale(numbers: Numbers, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Mark the numbers of the scale itself: not those beyond a gap that is wider than the scale.

    Above it are usual numbers for "not rated", such as 99 of -10 to 10, or few rows of others: slips of the pen, sums.
    Below it is one of the usual numbers for "not rated", under a scale from 0 or more. At least three steps
    stay, or 0 and 1.
    """
    inside = np.ones(len(numbers), dtype=bool)
    while (above := _beyond_gap(numbers, rows, inside)) is not None:
        inside[above] = False
    inside &= ~_above_usual_top(numbers, rows, inside)
    rest = np.flatnonzero(inside)[np.argsort(numbers[inside])]
    if len(rest) > _LEAST_STEPS and numbers[rest[0]] < 0 <= numbers[rest[1]]:
        inside[rest[0]] = numbers[rest[0]] not in _UNRATED and rows[rest[0]] > _RARE * rows.sum() + 1
    return inside


def _above_usual_top(
    numbers: Numbers, rows: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Mark one or two rare numbers above a usual top that nearly all rows keep to: 11 of 1 to 10, 7 of 1 to 5."""
    none = np.zeros(len(numbers), dtype=bool)
    if numbers[inside].min() < _LEAST_RATING:
        return none
    for top in _SCALE_TOPS:
        above, below = inside & (numbers > top), inside & (numbers <= top)
        few = 0 < above.sum() <= _MOST_ABOVE and rows[above].sum() <= (1 - _INSIDE) * rows[inside].sum()
        if few and below.sum() > _LEAST_STEPS and numbers[below].max(initial=0.0) == top:
            return above
    return none


def _beyond_gap(
    numbers: Numbers, rows: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64] | None:
    """Return the places of the numbers above a gap, the highest gap first; None when there is none."""
    falling = np.flatnonzero(inside)[np.argsort(-numbers[inside])]
    rare = _RARE * rows.sum() + 1
    for cut in range(1, len(falling) - 1):
        above, below = falling[:cut], falling[cut:]
        if len(below) < _LEAST_STEPS and not {*numbers[below]} <= {0.0, 1.0}:
            return None
        gap = numbers[above].min() - numbers[below].max()
        unusual = sum(int(rows[at]) for at in above if numbers[at] not in _SENTINELS)
        if unusual > rare and cut > 1:
            return None
        span = np.ptp(numbers[below])
        if gap > span or (gap == span and not unusual):
            return above
    return None


def least_positive(low: float, high: float, known: Numbers) -> float:
    """Take the usual threshold of a scale, else the first step in its upper 30%."""
    top = next((usual for usual in (1.0, 5.0, 10.0, 20.0, 100.0) if high <= usual), high) if low >= 0 else high
    if low >= 0 and high in _POSITIVE_FROM:
        top = high
    upper = high - 0.3 * (high - low)
    wanted = _POSITIVE_FROM.get(top, top - 0.3 * (top - low)) if low >= 0 else upper
    if wanted == 1.0 and len(known) > 3:  # shares from 0 to 1, not yes and no
        wanted = 0.7
    if (
        top > _FAR * high or wanted > high or (wanted == high and high not in _POSITIVE_FROM)
    ):  # 1 to 11, 10 to 50: the next usual top is another scale's
        wanted = float(min(step for step in known if step >= upper))
    return round(wanted, 4)


def _approval(texts: Sequence[str]) -> Numbers:
    """Read words of approval, rejection and neither as 1, 0 and 0.5."""
    return _each(texts, _number_of)


def _number_of(word: str) -> float | None:
    if is_word("positive", word):
        return 1.0
    if is_word("negative", word):
        return 0.0
    return 0.5 if is_word("neutral", word) else None


def _dressed(text: str) -> float | None:
    """Read a number in another dress: '4,5', '4/5', '4 stars', '4.0 out of 5 stars', '★★★★☆'."""
    if text and not text.strip("★☆⭐"):
        return float(text.count("★") + text.count("⭐"))
    found = _NUMBER.fullmatch(text)
    return float(found.group(1).replace(",", ".")) if found else None
