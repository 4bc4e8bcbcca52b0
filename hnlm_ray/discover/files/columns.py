"""What the values of one column look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.sources.rows.values import to_float64

MISSING: Final = frozenset(
    {"NULL", "null", "(null)", "#NULL!", "NaN", "nan", "NAN", "None", "NONE", "NA", "<NA>", "N/A", "n/a", "#N/A", "\\N"}
    | {"nil", "undefined", "missing", "k.A.", "k. A.", "k.A", "n.v.", "n/d", "N/D", "s/o", "#WERT!", "#VALUE!", "#NV"}
)
"""Words that programs write for a missing value; a cell that is one of them, case and all, has none."""
DASHES: Final = frozenset({"-", "--", "---", "?", "??", ".", "*", "x", "X", "/", "\u2013", "\u2014", "\u2212"})
"""Signs that people write for a missing number or time; an id or a title may be one."""
ZERO_DATES: Final = frozenset({"0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000"})
"""Dates that are none: what data bases write for an unknown one."""
_UNIT: Final = r"(?:EUR|Euro|USD|GBP|CHF|kg|g|l|ml|cm|mm|[$%\x{20ac}\x{00a3}\x{00a5}])?"
_BLANK: Final = r"[\s\x{00a0}]*"
_GROUPS: Final = r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:[.,' \x{2019}\x{00a0}\x{202f}][0-9]{3})+)(?:[.,][0-9]+)?"
_MONEY: Final = r"(?:(?:EUR|USD|GBP|CHF)\s|[$\x{20ac}\x{00a3}\x{00a5}])?"
_AMOUNT: Final = f"^{_BLANK}{_MONEY}{_BLANK}{_GROUPS}{_BLANK}{_UNIT}{_BLANK}$"
"""A number with a decimal comma, with thousands or beside a currency: 7,85 or 1.234,50 \u20ac or $ 12.00."""
_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[.' \u00a0\u202f\u2019]\d{3})+)(?:,\d+)?")
_PARTS: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_SENTENCE = 40
_MOSTLY_ROWS = 0.95
_LOOKED_AT = 2000
_URL: Final = r"(?i)^(https?://|www\.|s3://|gs://|data:image/)|\.(jpe?g|png|gif|webp|svg)$"
_MANY_PARTS = 20
_LETTERS = 0.6
_NEARLY_FILLED = 0.99


@dataclass(frozen=True)
class Column:
    """One column of a sample.

    Attributes
    ----------
    name
        As the readers call it.
    values
        Text of each row; blank is null.
    typed_time
        A Parquet column of dates or times.
    """

    name: str
    values: pa.Array
    typed_time: bool = False

    @property
    def rows(self) -> int:
        """Rows of the sample."""
        return len(self.values)

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """Each row's value as a number from 0; a null is -1."""
        return pc.fill_null(self._coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]

    @cached_property
    def _coded(self) -> pa.DictionaryArray:
        return self.values.dictionary_encode()

    @cached_property
    def uniques(self) -> pa.Array:
        """The distinct values, in the order of their first row."""
        found = self._coded.dictionary
        return found.filter(pc.is_valid(found))

    @property
    def distinct(self) -> int:
        """How many values there are."""
        return len(self.uniques)

    @cached_property
    def filled(self) -> float:
        """Share of rows with a value, 0 to 1."""
        return 1 - self.values.null_count / self.rows if self.rows else 0.0

    @property
    def repetition(self) -> float:
        """Rows a value, at least 1."""
        return self.filled * self.rows / self.distinct if self.distinct else 1.0

    @property
    def all_distinct(self) -> bool:
        """Whether it numbers the rows: practically no value occurs twice, and none is missing."""
        return self.filled > 0.99 and self.distinct >= 0.99 * self.rows

    @cached_property
    def head(self) -> list[str]:
        """Distinct values to look at one by one, at most 2,000, spread over all."""
        step = max(1, self.distinct // _LOOKED_AT)
        return [str(value) for value in self.uniques.to_pylist()[::step][:_LOOKED_AT]]

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Rows of each distinct value, int64."""
        return np.bincount(self.codes[self.codes >= 0], minlength=self.distinct).astype(np.int64)

    @cached_property
    def missing(self) -> dict[str, int]:
        """The distinct values that are words for a missing one, and their rows."""
        return self.rows_of(MISSING)

    def rows_of(self, words: frozenset[str]) -> dict[str, int]:
        """Return the words that are values of the column, each with its rows."""
        trimmed = pc.utf8_trim_whitespace(self.uniques)
        places = np.flatnonzero(pc.is_in(trimmed, value_set=pa.array(sorted(words))).to_numpy(zero_copy_only=False))
        return {str(trimmed[int(at)]): int(self.counts[at]) for at in places}

    def rows_matching(self, pattern: str) -> int:
        """Return how many rows have a value that matches a pattern."""
        return int(self.counts[self._matching(pattern)].sum())

    @cached_property
    def parsed(self) -> npt.NDArray[np.float64]:
        """Each distinct value as a number, NaN where it is none."""
        found: npt.NDArray[np.float64] = to_float64(self.uniques)[0].to_numpy(zero_copy_only=False).astype(np.float64)
        found[~np.isfinite(found)] = np.nan
        return found

    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The distinct values that are finite numbers."""
        finite: npt.NDArray[np.float64] = self.parsed[~np.isnan(self.parsed)]
        return finite

    @cached_property
    def numeric(self) -> bool:
        """Whether the values are numbers, but for words for a missing one and one in fifty (of the rows: in twenty)."""
        return self.distinct > 0 and self._mostly(~np.isnan(self.parsed))

    @cached_property
    def amounts(self) -> bool:
        """Whether the values are numbers in some dress: with a decimal comma, thousands, a currency, a unit."""
        return self.numeric or (self.distinct > 0 and self._mostly(self._matching(_AMOUNT)))

    @property
    def whole(self) -> bool:
        """Whether it is numeric without fractions."""
        return self.numeric and bool(np.all(self.numbers == np.floor(self.numbers)))

    def _matching(self, pattern: str) -> npt.NDArray[np.bool_]:
        found = pc.match_substring_regex(self.uniques, pattern)
        return found.to_numpy(zero_copy_only=False).astype(bool)  # type: ignore[no-any-return]

    def _mostly(self, fits: npt.NDArray[np.bool_]) -> bool:
        """Tell whether nearly all values that are there fit: of the distinct ones, or of their rows."""
        words, rows = len(self.missing), sum(self.missing.values())
        there, filled = self.distinct - words, int(self.counts.sum()) - rows
        return there > 0 and (
            int(fits.sum()) >= 0.98 * there or (int(self.counts[fits].sum()) >= _MOSTLY_ROWS * filled)
        )

    @cached_property
    def length(self) -> float:
        """Median characters of a value."""
        return float(np.median([len(value) for value in self.head])) if self.head else 0.0

    @cached_property
    def urls(self) -> bool:
        """Whether most values are addresses or names of images."""
        return self._share(pc.match_substring_regex(pa.array(self.head, pa.string()), _URL)) > 0.5

    @cached_property
    def listed(self) -> bool:
        """Whether most values are written as lists or objects."""
        return self._share(pc.match_substring_regex(pa.array(self.head, pa.string()), r"^\s*[\[{]")) > 0.5

    @cached_property
    def long_lists(self) -> bool:
        """Whether most values are lists of many parts, which say little in a prompt."""
        parts = [value.count(",") for value in self.head]
        return self.listed and bool(parts) and float(np.median(parts)) > _MANY_PARTS

    @cached_property
    def paragraphs(self) -> bool:
        """Whether most values are lists of sentences: texts, not lists of tags."""
        if not self.listed:
            return False
        parts = [part for value in self.head for part in _PARTS.findall(value)]
        return bool(parts) and float(np.median([len(part) for part in parts])) >= _SENTENCE

    @cached_property
    def words(self) -> float:
        """Median words of a value (of scripts without blanks: characters by three)."""
        return float(np.median([max(len(v.split()), _dense(v)) for v in self.head])) if self.head else 0.0

    @cached_property
    def digits(self) -> float:
        """Median share of digits among a value's characters, 0 to 1."""
        shares = [sum(map(str.isdigit, value)) / len(value) for value in self.head if value]
        return float(np.median(shares)) if shares else 0.0

    @cached_property
    def readable(self) -> bool:
        """Whether the values are names that people read, not numbers or codes: mostly letters."""
        if self.amounts or self.urls or self.listed or self.length < 3:
            return False
        letters = [sum(char.isalpha() for char in value) / len(value) for value in self.head if value]
        return bool(letters) and float(np.median(letters)) > _LETTERS

    def first_rows(self) -> npt.NDArray[np.int64]:
        """Return the row where each distinct value stands first, nulls left out."""
        codes, rows = np.unique(self.codes, return_index=True)
        return rows[codes >= 0].astype(np.int64)

    def taken(self, rows: npt.NDArray[np.int64]) -> Column:
        """Return the column with some of its rows."""
        return Column(self.name, self.values.take(pa.array(rows)), self.typed_time)

    def _share(self, mask: pa.Array) -> float:
        return float(pc.mean(mask.cast(pa.int8())).as_py() or 0.0) if len(mask) else 0.0


def _dense(value: str) -> int:
    return sum(char >= "\u3040" for char in value) // 3


def distinct_pairs(left: Column, right: Column) -> int:
    """Count the different pairs of two columns of one table, nulls left out."""
    both = (left.codes >= 0) & (right.codes >= 0)
    return len(np.unique(left.codes[both] * (right.distinct + 2) + right.codes[both]))


def share_found(values: Column, within: Column) -> float:
    """Return the share of a column's distinct values that another column has, 0 to 1."""
    if not values.distinct or not within.distinct:
        return 0.0
    found = pc.is_in(values.uniques, value_set=within.uniques)
    return float(pc.mean(found.cast(pa.int8())).as_py())


def differing(key: Column, told: Column) -> float:
    """Return the share of the keys of several rows whose rows tell different things, 0 to 1.

    A blank is a thing of its own, lest what a few people wrote of an item passes for its description; unless nearly all
    rows are filled.
    """
    rows = (key.codes >= 0) & ((told.codes >= 0) | (told.filled < _NEARLY_FILLED))
    return _differing(key.codes[rows], told.codes[rows], key.distinct)


def number_of(text: str) -> float | None:
    """Read a number with a decimal comma, with or without thousands: '7,85', '1.234,5'; None when it is none."""
    if not _COMMA.fullmatch(text):
        return None
    whole, _, fraction = text.partition(",")
    return float(f"{re.sub(r'[^0-9+-]', '', whole)}.{fraction or 0}")


def differing_by_chance(key: Column, told: Column) -> float:
    """Return what :func:`differing` is when the rows of ``told`` have nothing to do with the key."""
    shuffled = np.random.default_rng(0).permutation(told.codes)
    rows = key.codes >= 0
    return _differing(key.codes[rows], shuffled[rows], key.distinct)


def _differing(keys: npt.NDArray[np.int64], told: npt.NDArray[np.int64], distinct: int) -> float:
    several = np.bincount(keys, minlength=distinct) > 1
    width = int(told.max(initial=0)) + 2
    things = np.bincount(np.unique(keys * width + told + 1) // width, minlength=distinct)
    return float(np.mean(things[several] > 1)) if several.any() else 0.0
