"""The raw columns of one block of a file, and the row checks that all formats share."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.readers.rejects import FileRejects

Mask = npt.NDArray[np.bool_]
_SHOWN_COLUMNS, _SHOWN_CHARS = 30, 60
_MOSTLY = 0.9
_SENTENCE = 40
ROW_NAMES: Final = "row"
_NO_PROSE: Final = frozenset("\t\x01")
"""Separators that texts hold next to never."""
_LEAST_KNOWN, _MANY, _NEARLY_ALL = 3, 10, 0.98
Test = Callable[[str], object]
_NUMBER: Final = re.compile(r"\s*-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_BLANK: Final = re.compile(r"\S\s+\S")
_DIGIT: Final = re.compile(r"\d")
_ID_ENDS: Final = ("id", "nr", "no", "code", "sku", "ean", "isbn", "asin", "number", "nummer")


@dataclass(frozen=True)
class Records:
    """Some records of a file.

    Attributes
    ----------
    lines
        Physical line (Parquet: row) where each record starts, int64.
    columns
        The wanted columns as the file gives them: text, or the types of a Parquet file.
    """

    lines: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]


def to_mask(condition: pa.Array) -> Mask:
    """Turn an Arrow condition into a mask; null is False."""
    mask: Mask = pc.fill_null(condition, False).to_numpy(zero_copy_only=False).astype(bool)  # noqa: FBT003
    return mask


class RowCheck:
    """Which records of a block are good; the first reason against a record is the one reported."""

    def __init__(self, records: Records, rejects: FileRejects) -> None:
        self.keep: Mask = np.ones(len(records.lines), dtype=bool)
        self._lines = records.lines
        self._rejects = rejects
        rejects.read(len(records.lines))

    def reject(self, bad: Mask, reason: str, values: pa.Array) -> None:
        """Reject the records of a mask, each shown with its own value."""
        for row in np.flatnonzero(bad & self.keep):
            self._rejects.add(int(self._lines[row]), reason, _shown(values[int(row)]))
        self.keep &= ~bad

    def leave_out(self, unwanted: Mask, reason: str, values: pa.Array) -> None:
        """Leave out readable records that are not wanted."""
        self.leave_out_value(unwanted, reason, values)
        self.keep &= ~unwanted

    def leave_out_value(self, unwanted: Mask, reason: str, values: pa.Array) -> None:
        """Count values that are left out while their records stay."""
        rows = np.flatnonzero(unwanted & self.keep)
        shown = min(len(rows), self._rejects.room(reason))
        for row in rows[:shown]:
            self._rejects.leave_out(int(self._lines[row]), reason, _shown(values[int(row)]))
        self._rejects.count(reason, len(rows) - shown)


def _shown(value: pa.Scalar) -> str:
    try:
        found = value.as_py()
    except (ValueError, OverflowError):  # of a Parquet file: a day or second that Python has no value for
        return f"{value.type} out of range"
    return "" if found is None else str(found)


def table_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Name all columns of a delimited file by its header and some of its rows.

    A name that is there again is followed by '.1', '.2', ..., as in pandas. Most rows may have another number of
    fields than the header. When the surplus of either is blank, separators end the lines: surplus columns of the rows
    are called '', names without a column go. When nine of ten rows have one field more that is filled, and their first
    field is another one in each, it holds the rows' names, as R writes them, and is called 'row'. Where it comes again,
    or a column's cells start with a blank as after a comma of a text, the separator stands unquoted in the cells: the
    names stay, and those rows are bad lines.
    """
    names = _unique(header)
    width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (len(header), 0)
    if count <= len(rows) / 2 or width == len(header):
        return names
    if width < len(header):
        return names if any(cell.strip() for cell in header[width:]) else names[:width]
    surplus = ["".join(row[len(header) :]) for row in rows if len(row) == width]
    blank = sum(not text.strip() for text in surplus) / count
    if blank >= _MOSTLY:
        return [*names, *[""] * (width - len(header))]
    named = width == len(header) + 1 and count >= _MOSTLY * len(rows) and blank <= 1 - _MOSTLY
    named = named and _names_rows(header[0], [row for row in rows if len(row) == width])
    return [ROW_NAMES if ROW_NAMES not in names else f"{ROW_NAMES}.0", *names] if named else names


def _names_rows(first: str, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first field names each row, and no field is the rest of a text or number that a comma splits."""
    cells = [[row[at] for row in rows] for at in range(len(rows[0]))]
    led = [sum(cell[:1] == " " and bool(cell.strip()) for cell in column) >= len(rows) / 2 for column in cells[1:]]
    whole = all(led) or not any(led)
    return len({*cells[0]}) == len(rows) and whole and not (_named_as_id(first, cells) and _holds_decimals(cells))


def _named_as_id(first: str, cells: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first name is that of ids, which the first field has, and the second has not."""
    coded = [_is_common(_DIGIT.search, column) for column in cells[:2]]
    return first.strip().lower().endswith(_ID_ENDS) and coded == [True, False]


def _holds_decimals(cells: Sequence[Sequence[str]]) -> bool:
    """Tell whether beside a column of digits stands one of as many digits throughout, three at most: 3,99 and 1,299."""
    return any(
        all(cell.isdecimal() for column in pair for cell in column) and {*map(len, pair[1])} in ({1}, {2}, {3})
        for pair in pairwise(cells[1:])
    )


def _unique(header: Sequence[str]) -> list[str]:
    taken, counts, names = {*header}, Counter[str](), list[str]()
    for name in header:
        called = name
        while counts[name] and called in taken:
            called = f"{name}.{counts[name]}"
            counts[name] += called in taken
        counts[name] += 1
        taken.add(called)
        names.append(called)
    return names


def plain_text(value: object) -> str | None:
    """Write a JSON value as text: lists joined, objects as JSON, whole floats without '.0'.

    Parts of a list are joined by commas, or by newlines when they are sentences: over 40 characters on the median.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [text for part in value if (text := plain_text(part))]
        sentences = parts and sorted(map(len, parts))[len(parts) // 2] > _SENTENCE
        return ("\n" if sentences else ", ").join(parts)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return json.dumps(value, ensure_ascii=False, default=str)  # Parquet has times and bytes in its objects


def check_columns(file: str, wanted: Sequence[str], existing: Sequence[str]) -> None:
    """Raise SourceError when a mapped column is missing from a file, or is there twice."""
    counts = Counter(existing)
    for name in wanted:
        called = repr(name[:_SHOWN_CHARS])
        if counts[name] > 1:
            raise SourceError(f"{file} has {counts[name]} columns called {called}; give each its own name")
        if not counts[name]:
            shown = [column[:_SHOWN_CHARS] for column in list(counts)[:_SHOWN_COLUMNS]]
            close = difflib.get_close_matches(name, shown, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}? " if close else ""
            listed = ", ".join(map(repr, shown)) or "none"
            raise SourceError(
                f"{file} has no column {called}, only {listed}; {hint}correct `columns` (or `separator`, `header`) "
                "in the source section"
            )


class RowShape:
    """Tells rows of a delimited file that a pair of stray quotes joins from a text of several lines.

    Parameters
    ----------
    known
        Some rows of the file.
    separator, width
        Of the file.
    """

    def __init__(self, known: Sequence[Sequence[str]], separator: str, width: int) -> None:
        whole = [row for row in known if len(row) == width and not any("\n" in cell for cell in row)]
        columns = [[row[at] for row in whole] for at in range(width)]
        self._separator = separator
        self._width = width
        self._telling = len(whole) >= _LEAST_KNOWN and any(_is_common(_DIGIT.search, column) for column in columns)
        self._tests = [_tests(column) for column in columns] if self._telling else []

    def joins(self, lines: Sequence[str]) -> bool:
        """Tell whether the physical lines of one record are rows of their own.

        The first, the last and nearly every other line must have all fields when quotes do not count. A text splits so
        by chance: with a separator that texts hold, each line (of ten and more nine tenths) must have in every column
        what the known rows have there: a number, a digit, no blank inside, no blank ahead, about the length. One column
        at least must be of numbers or codes.
        """
        split = [line.split(self._separator) for line in lines]
        rows = [row for row in split if len(row) == self._width]
        ends = {len(split[0]), len(split[-1])} == {self._width}
        if not ends or len(rows) < _MOSTLY * len(split):
            return False
        if self._separator in _NO_PROSE:
            return True
        if not self._telling or _quoted_otherwise(rows):
            return False
        return sum(map(self._fits, rows)) >= len(rows) * (_MOSTLY if len(rows) >= _MANY else 1)

    def _fits(self, row: Sequence[str]) -> bool:
        return all(test(cell.strip('"')) for cell, tests in zip(row, self._tests, strict=True) for test in tests)


def _quoted_otherwise(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether quotes stand around some cells of a column only, but for the column where the first quote opens."""
    opened = next((at for at, cell in enumerate(rows[0]) if cell.startswith('"') and not _is_quoted(cell)), 0)
    return any(len({_is_quoted(row[at]) for row in rows}) > 1 for at in range(len(rows[0])) if at != opened)


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _tests(known: Sequence[str]) -> list[Test]:
    """Return what nearly all known cells of a column have."""
    coded = _is_common(_DIGIT.search, known)
    shortest, longest = min(map(len, known)) // 3 if coded else 0, (2 if coded else 4) * max(map(len, known)) + 8
    tests: list[Test] = [_NUMBER.fullmatch, _DIGIT.search, lambda cell: cell[:1].strip() or not cell]
    if len(known) >= _MANY:  # of a few titles all may be one word
        tests.append(lambda cell: not _BLANK.search(cell))
    return [*(test for test in tests if _is_common(test, known)), lambda cell: shortest <= len(cell) <= longest]


def _is_common(test: Test, cells: Sequence[str]) -> bool:
    return sum(bool(test(cell)) for cell in cells) >= _NEARLY_ALL * len(cells)
