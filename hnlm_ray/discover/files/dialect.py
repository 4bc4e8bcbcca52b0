"""How the lines of a text file are written: JSON lines, or fields between separators.

Whether the first line of a delimited file names its columns.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from hnlm_ray.discover.files.names import name_score, only_id
from hnlm_ray.sources.rows.values import NUMBER

_NUMBER: Final = re.compile(NUMBER)
_ROLES: Final = ("user", "item", "rating", "time", "title", "text", "review", "person")
_MOSTLY = 0.9
_LONG = 60


@dataclass(frozen=True)
class Header:
    """Whether there is a header, and whether that is certain."""

    there: bool
    sure: bool
    told: str


def header_of(rows: Sequence[Sequence[str]]) -> Header:
    """Judge the first row against those behind it."""
    first, rest = rows[0], rows[1:]
    if any(_is_number(cell) for cell in first):
        return Header(there=False, sure=True, told="the first line holds numbers")
    if len({*first}) < len(first) or max(map(len, first)) > _LONG:
        return Header(there=False, sure=True, told="the first line holds no names")
    columns = [[row[at] for row in rest if len(row) == len(first)] for at in range(len(first))]
    if any(_contrasts(column) for column in columns):
        return Header(there=True, sure=True, told="the first line holds names, those below hold numbers")
    known = sum(max(name_score(role, cell) for role in _ROLES) >= 0.8 or only_id(cell) for cell in first)
    recurs = any(cell in column for cell, column in zip(first, columns, strict=True) if cell)
    if recurs and known < len(first) / 2:
        return Header(there=False, sure=True, told="a value of the first line stands in its column again")
    if known >= max(2, len(first) / 2):
        return Header(there=True, sure=True, told="the first line holds names of columns")
    return Header(there=known > 0, sure=False, told="the first line could be names or data")


def _contrasts(column: Sequence[str]) -> bool:
    """Tell whether the cells below are numbers: the cell above is none."""
    filled = [cell for cell in column if cell.strip()]
    return bool(filled) and sum(map(_is_number, filled)) >= _MOSTLY * len(filled)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.match(cell.strip()))


SEPARATORS: Final = (",", ";", "\t", "|", "::", "||", "\x01", "~", "^", ":", ", ", "; ", " | ", " :: ", "\t\t", " ")
"""Candidates; of two that explain a file alike, the longer one wins, and the blank loses to all."""
_LOOKED_AT = 2000
_CONSISTENT = 0.95
_LEAST_SHARE = 0.6


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    kind
        JSON lines, one JSON document (which can't be streamed), or delimited fields.
    separator
        Between fields; None for JSON.
    quoting
        Whether ``"`` around a field is no part of it.
    share
        Lines that have as many fields as the first (or are JSON objects), 0 to 1.
    width
        Fields of the first line; JSON: of the first object.
    """

    kind: Literal["jsonl", "json", "csv"]
    separator: str | None
    quoting: bool
    share: float
    width: int


def dialect_of(text: str) -> Dialect | None:
    r"""Tell how a text is written; None when no separator gives two or more columns.

    ``text`` holds whole lines with ``\n`` between them.
    """
    if text.lstrip()[:1] in {"{", "["} and (found := _json(text)):
        return found
    candidates = [found for separator in SEPARATORS if separator in text and (found := _delimited(text, separator))]
    best = max(candidates, key=_rank, default=None)
    if best is None or best.separator is None:
        return None
    longer = [one for one in candidates if _is_same_but_longer(text, best.separator, one)]
    return max(longer, key=lambda one: len(one.separator or ""), default=best)


def split_rows(text: str, dialect: Dialect, most: int = _LOOKED_AT) -> list[list[str]]:
    """Return the first rows of a delimited text; unreadable ones are left out."""
    return [row for row in islice(_rows(text, dialect.separator or ",", quoting=dialect.quoting), most) if row]


def _rank(found: Dialect) -> tuple[bool, bool, float, float]:
    consistent = found.share >= _CONSISTENT
    return consistent, found.separator not in {" ", ":"}, found.width if consistent else 0, found.share


def _is_same_but_longer(text: str, short: str, other: Dialect) -> bool:
    long = other.separator or ""
    within = long.count(short)
    return len(long) > len(short) and within > 0 and text.count(short) == within * text.count(long)


def _delimited(text: str, separator: str) -> Dialect | None:
    quotable = len(separator) == 1
    read = {
        quoting: _consistency(text, separator, quoting=quoting) for quoting in ((True, False) if quotable else (False,))
    }
    quoting = quotable and read[True][1] >= read[False][1]
    width, share = read[quoting]
    if width < 2 or share < _LEAST_SHARE:
        return None
    return Dialect("csv", separator, quoting or not quotable, share, width)


def _consistency(text: str, separator: str, *, quoting: bool) -> tuple[int, float]:
    """Return the fields of the first row, and the share of rows that have as many; the readers judge rows so."""
    widths = [len(row) for row in islice(_rows(text, separator, quoting=quoting), _LOOKED_AT) if row != []]
    if not widths:
        return 0, 0.0
    return widths[0], Counter(widths)[widths[0]] / len(widths)


def _rows(text: str, separator: str, *, quoting: bool) -> Sequence[list[str]]:
    """Split a text into rows; one that the csv module refuses is ``['']``, of no use."""
    if not quoting or len(separator) > 1 or '"' not in text:
        return [line.split(separator) for line in text.split("\n")[: 2 * _LOOKED_AT] if line]
    reader = csv.reader((line + "\n" for line in text.split("\n")), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    while len(rows) < _LOOKED_AT:
        try:
            rows.append(next(reader))
        except StopIteration:
            break
        except csv.Error:
            rows.append([""])
    return rows


def _json(text: str) -> Dialect | None:
    lines = [line for line in text.split("\n")[:_LOOKED_AT] if line and not line.isspace()]
    objects = [found for line in lines if isinstance(found := _loaded(line), dict)]
    if objects:
        return Dialect("jsonl", None, quoting=True, share=len(objects) / len(lines), width=len(objects[0]))
    starts = text.lstrip()
    a_document = starts.startswith("[{") or (starts[:1] in "{[" and starts[1:].lstrip()[:1] in {'"', "{", "["})
    return Dialect("json", None, quoting=True, share=0.0, width=0) if a_document else None


def _loaded(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def json_keys(text: str) -> list[str]:
    """Return the keys of the first objects of JSON lines, in the order in which they come."""
    objects = (_loaded(line) for line in text.split("\n")[:_LOOKED_AT])
    return list(dict.fromkeys(str(key) for found in objects if isinstance(found, dict) for key in found))
