"""Raw columns to ids, ratings and texts: the converted column, and a mask of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.readers.json_lines import plain_text
from hnlm_ray.sources.readers.records import Mask

NUMBER: Final = r"^(-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:nan|-?inf|-?infinity))$"


def to_mask(condition: pa.Array) -> Mask:
    """Turn an Arrow condition into a mask; null is False."""
    mask: Mask = pc.fill_null(condition, False).to_numpy(zero_copy_only=False).astype(bool)  # noqa: FBT003
    return mask


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
