"""Raw columns to ids, ratings and texts: the converted column, and a mask of what is wrong.

Raw timestamps to seconds since 1970, UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.readers.records import Mask, plain_text, to_mask

NUMBER: Final = r"^(-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:nan|-?inf|-?infinity))$"


_DECIMALS: Final = re.compile(r"^(\s*[0-9]+)\.0+(?=\s*$)")
_ZEROS: Final = re.compile(r"^\s*0+(?=[0-9]+\s*$)")
_UNSEEN: Final = "\ufeff\u200b"
_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[.' \u00a0\u202f\u2019]\d{3})+)(?:,\d+)?")
"""A number with a decimal comma, its thousands apart or not."""


def is_text(column: pa.Array) -> bool:
    """Tell whether a column holds text."""
    kind = column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def ids(column: pa.Array, name: str) -> pa.Array:
    """Write ids as text: text stays as it is, whole numbers lose their '.0'.

    Raises
    ------
    SourceError
        When a Parquet column has another type, or fractions.
    """
    if is_text(column):
        return column.cast(pa.string())
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    try:
        if numeric:
            return column.cast(pa.int64() if pa.types.is_floating(column.type) else column.type).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise SourceError(f"column {name!r} holds fractions, which can't be ids; map another column") from error
    raise SourceError(f"column {name!r} has the type {column.type}, but ids are text or whole numbers; cast it")


def empty(column: pa.Array) -> Mask:
    """Mark ids that are missing or blank."""
    return ~to_mask(pc.not_equal(pc.utf8_trim_whitespace(column), ""))


def folded(column: pa.Array, how: Collection[str]) -> pa.Array:
    """Take the dress off ids, each distinct one once; text array to text array of the same length.

    Parameters
    ----------
    column
        Ids as text; null stays null.
    how
        Any of ``source.fold_ids``: blanks, decimals, zeros, case, unicode.
    """
    if not how:
        return column
    coded = column.dictionary_encode()
    plain = pa.array([_without_dress(text, how) for text in coded.dictionary.to_pylist()], pa.string())
    return plain.take(coded.indices)


def _without_dress(text: str, how: Collection[str]) -> str:
    text = unicodedata.normalize("NFKC", text) if "unicode" in how else text
    text = text.strip().strip(_UNSEEN).strip() if "blanks" in how else text
    text = _DECIMALS.sub(r"\1", text) if "decimals" in how else text
    text = _ZEROS.sub("", text) if "zeros" in how else text
    return text.casefold() if "case" in how else text


def among(column: pa.Array, words: Collection[str]) -> Mask:
    """Mark the values whose text, blanks around it left off, is one of some words."""
    kind = column.type
    if not words or pa.types.is_nested(kind) or pa.types.is_null(kind):
        return np.zeros(len(column), dtype=bool)
    written = column.cast(pa.string()) if not pa.types.is_binary(kind) else texts(column)
    known = pa.array(sorted({word.strip() for word in words}), pa.string())
    return to_mask(pc.is_in(pc.utf8_trim_whitespace(written), value_set=known))


def without(column: pa.Array, unwanted: Mask) -> pa.Array:
    """Make the values of a mask null."""
    return pc.if_else(pa.array(unwanted), _null(column.type), column) if unwanted.any() else column


def with_point(column: pa.Array) -> pa.Array:
    """Write numbers with a decimal comma ('7,85', '1.234,5', '1 234,5') as others are; each distinct text once.

    What is no such number stays: with a point and not three digits behind it ('4.5') a number means what it says.
    """
    if not is_text(column):
        return column
    coded = column.cast(pa.string()).dictionary_encode()
    plain = [_with_point(text) for text in coded.dictionary.to_pylist()]
    return pa.array(plain, pa.string()).take(coded.indices)


def _with_point(text: str) -> str:
    if not _COMMA.fullmatch(text.strip()):
        return text
    whole, _, fraction = text.strip().removeprefix("+").partition(",")
    digits = re.sub(r"[^0-9-]", "", whole)
    return f"{digits}.{fraction}" if fraction else digits


def has_nul(column: pa.Array) -> Mask:
    """Mark texts with a NUL character: tools that keep texts in C strings would cut them there."""
    return to_mask(pc.match_substring(column, "\0"))


def ratings(column: pa.Array) -> tuple[pa.Array, Mask, Mask]:
    """Convert ratings to float32; a blank one is null.

    Returns
    -------
    tuple
        The ratings, the mask of those that are no numbers, the mask of those that are not finite.
    """
    numbers, wrong = to_float64(column)
    values = numbers.cast(pa.float32(), safe=False)
    endless = to_mask(pc.invert(pc.is_finite(values)))
    return values, wrong, endless


def named_ratings(column: pa.Array, numbers: Mapping[str, float]) -> tuple[pa.Array, Mask]:
    """Convert ratings that are words to float32 by exact text; blank is null, and an unknown word null and marked."""
    words = pc.utf8_trim_whitespace(texts(column))
    found = pc.index_in(words, value_set=pa.array(list(numbers), pa.string()), skip_nulls=True)
    return pa.array(list(numbers.values()), pa.float32()).take(found), to_mask(pc.is_valid(words)) & ~to_mask(
        pc.is_valid(found)
    )


def reviews(columns: Sequence[pa.Array], most: int) -> tuple[pa.Array, Mask]:
    """Join the parts of reviews by newlines and cut them to ``most`` characters; a blank one is null.

    Returns
    -------
    tuple
        The reviews, and the mask of those that are null for a NUL character.
    """
    start = pa.array([""] * len(columns[0]), pa.string())  # Arrow drops a row of which all parts are null
    joined = pc.binary_join_element_wise(start, *map(texts, columns), "\n", null_handling="skip")
    cut = pc.utf8_slice_codeunits(joined, 1, 1 + most)
    spoilt = has_nul(cut)
    return pc.if_else(pc.or_(pa.array(spoilt), pc.equal(cut, "")), pa.scalar(None, pa.string()), cut), spoilt


def to_float64(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Convert numbers or their texts; blank is null, and what is no number is null and marked."""
    if not is_text(column):
        return _cast(column), np.zeros(len(column), dtype=bool)
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    try:
        return texts.cast(pa.float64()), np.zeros(len(column), dtype=bool)
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(texts, NUMBER)
        numbers = pc.if_else(good, texts, pa.scalar(None, pa.string())).cast(pa.float64())
        return numbers, to_mask(pc.invert(good))


def _cast(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise SourceError(f"a column of ratings or times has the type {column.type}, not a number; cast it") from error


def texts(column: pa.Array) -> pa.Array:
    """Write any column as text; lists are joined by commas and a blank text is null."""
    if not is_text(column):
        column = pa.array([plain_text(_plain(value)) for value in _objects(column)], pa.string())
    blank = pc.equal(pc.utf8_trim_whitespace(column.cast(pa.string())), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), column.cast(pa.string()))


def _objects(column: pa.Array) -> list[Any]:
    """Return a column's values; times that Python has no values for come as texts."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError) as error:
        try:
            return list(column.cast(pa.string()).to_pylist())
        except pa.ArrowException:
            raise SourceError(
                f"a column of texts has the type {column.type} and a value out of range; cast it to text"
            ) from error


def _plain(value: object) -> object:
    known = value is None or isinstance(value, str | int | float | list | dict)
    return value if known else str(value)


LATEST_SECOND = 253_402_300_799  # the last of the year 9999
_UNITS: Final = (1.0, 1e3, 1e6, 1e9)
_LIKELY: Final = (2.6e8, 4.2e9)
"""Seconds of 1978 to 2103: so counted, no number is a likely time in two units, nor the year 9999 in another one."""
_ZONE_NAME: Final = re.compile(r"\s*\([^()]*\)$")
_UTC: Final = re.compile(r"\s+(?:UTC|GMT|Z)$")
_APART: Final = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")


class Clock:
    """Reads one file's timestamps.

    Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, decided once a file: by the median size
    of the first block that has any. A number that only in another unit is a time of 1978 to 2103 has that unit, so
    that a file may mix them. Texts follow ``time_format`` when there is one, and so do the digits of numbers; else
    texts are ISO 8601. Without a zone they are UTC; a zone's name in brackets at the end is left off.
    """

    def __init__(self, time_format: str | None) -> None:
        self.time_format = _checked(time_format)
        self.divisor: float | None = None

    def seconds(self, column: pa.Array) -> tuple[pa.Array, Mask]:
        """Convert to int64 seconds; blank is null, and what is no time is null and marked."""
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            # Floor, also before 1970, as for every other way to write a time.
            micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return _floored(pc.divide(micros.cast(pa.float64(), safe=False), 1e6))
        if self.time_format is not None:
            digits = column.cast(pa.string()) if is_text(column) else _digits(column, self.time_format)
            return self._dates(digits)
        if not is_text(column):
            return self._scaled(to_float64(column)[0])
        numbers, _ = to_float64(column)
        dates, wrong = self._dates(pc.if_else(pc.is_null(numbers), column.cast(pa.string()), _null(pa.string())))
        scaled, far = self._scaled(numbers)
        return pc.coalesce(scaled, dates), wrong | far

    def _scaled(self, numbers: pa.Array) -> tuple[pa.Array, Mask]:
        sizes = np.abs(numbers.to_numpy(zero_copy_only=False))
        finite = sizes[np.isfinite(sizes)]
        if self.divisor is None and len(finite):
            self.divisor = max(unit for unit in _UNITS if unit == 1 or np.median(finite) >= 1e8 * unit)
        return _floored(pc.divide(numbers, pa.array(_divisors(sizes, self.divisor or 1.0))))

    def _dates(self, column: pa.Array) -> tuple[pa.Array, Mask]:
        """Parse each distinct text once: dates repeat."""
        coded = column.dictionary_encode()
        parsed = pa.array([self._date(text) for text in coded.dictionary.to_pylist()], pa.int64())
        seconds = parsed.take(coded.indices)
        filled = to_mask(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        return seconds, filled & to_mask(pc.is_null(seconds))

    def _date(self, text: str) -> int | None:
        named = self.time_format is not None and "(" in self.time_format
        text = text.strip() if named else _ZONE_NAME.sub("", text.strip())
        try:
            if self.time_format is not None:
                found = datetime.strptime(text, self.time_format)  # noqa: DTZ007 - the zone follows
            else:
                found = datetime.fromisoformat(_APART.sub("", _UTC.sub("", text)))
        except ValueError:
            return None
        zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
        seconds = int((zoned - datetime.fromtimestamp(0, UTC)).total_seconds() // 1)
        return seconds if seconds <= LATEST_SECOND else None


def _divisors(sizes: npt.NDArray[np.float64], own: float) -> npt.NDArray[np.float64]:
    """Return how many of its units make a second, for each number: those of the file, or of another likely unit."""
    divisors = np.full(sizes.shape, own)
    low, high = _LIKELY
    for unit in _UNITS:
        divisors[(sizes >= low * unit) & (sizes <= high * unit)] = unit
    return divisors


def _digits(column: pa.Array, time_format: str) -> pa.Array:
    """Write numbers as the digits that a format such as %Y%m%d reads; zeros ahead, which numbers lack, come back."""
    try:
        whole = column.cast(pa.int64()).cast(pa.string())
    except pa.ArrowException:
        return texts(column)
    example = datetime.fromtimestamp(0, UTC).strftime(time_format)
    return pc.utf8_lpad(whole, len(example), "0") if example.isdecimal() else whole


def _checked(time_format: str | None) -> str | None:
    """Return a format that can be read; SourceError of any other, before it rejects every line."""
    if time_format is not None:
        try:
            datetime.strptime(datetime.fromtimestamp(0, UTC).strftime(time_format), time_format)  # noqa: DTZ007
        except (ValueError, re.error) as error:
            raise SourceError(
                f"time_format {time_format[:40]!r} can't be used ({error}); write it as Python's strptime does"
            ) from error
    return time_format


def _floored(seconds: pa.Array) -> tuple[pa.Array, Mask]:
    near = pc.less_equal(pc.abs(seconds), LATEST_SECOND)
    whole = pc.if_else(pc.fill_null(near, False), pc.floor(seconds), _null(pa.float64()))  # noqa: FBT003
    return whole.cast(pa.int64()), to_mask(pc.is_valid(seconds)) & ~to_mask(near)


def _null(kind: pa.DataType) -> pa.Scalar:
    """Return a null; made on use, for a first ``pa.scalar`` imports pandas where there is one."""
    return pa.scalar(None, kind)
