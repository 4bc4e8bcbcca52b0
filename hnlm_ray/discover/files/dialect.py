"""How the lines of a text file are written: JSON lines, or fields between separators.

Whether the first line of a delimited file names its columns.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final, Literal

from hnlm_ray.discover.files.columns import MISSING
from hnlm_ray.discover.files.names import name_score, only_id
from hnlm_ray.sources.readers.literals import parse_line
from hnlm_ray.sources.readers.records import table_names
from hnlm_ray.sources.rows.values import NUMBER

_NUMBER: Final = re.compile(NUMBER)
_ROLES: Final = ("user", "item", "rating", "time", "title", "text", "review", "person")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
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
    if any(_is_number(cell) or _is_time(cell) for cell in first):
        return Header(there=False, sure=True, told="the first line holds numbers or times")
    columns = [[row[at] for row in rest if len(row) == len(first)] for at in range(len(first))]
    if any(_contrasts(column) for column in columns):
        return Header(there=True, sure=True, told="the first line holds names, those below hold numbers")
    known = sum(max(name_score(role, cell) for role in _ROLES) >= 0.8 or only_id(cell) for cell in first)
    others = [row for row in rest if len(row) == len(first) and [*row] != [*first]]  # a header that comes again is one
    recurs = any(cell in {row[at] for row in others} for at, cell in enumerate(first) if cell)
    if recurs and known < len(first) / 2:
        return Header(there=False, sure=True, told="a value of the first line stands in its column again")
    if known >= max(2, len(first) / 2):
        return Header(there=True, sure=True, told="the first line holds names of columns")
    if len({*first}) < len(first) or max(map(len, first)) > _LONG:
        return Header(there=False, sure=True, told="the first line holds no names")
    return Header(there=known > 0, sure=False, told="the first line could be names or data")


def _is_time(cell: str) -> bool:
    return bool(_TIME.match(cell.strip()))


def _contrasts(column: Sequence[str]) -> bool:
    """Tell whether the cells below are numbers or times: the cell above is none."""
    filled = [cell for cell in column if cell.strip() and cell.strip() not in MISSING]
    return bool(filled) and any(sum(map(one, filled)) >= _MOSTLY * len(filled) for one in (_is_number, _is_time))


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.match(cell.strip()))


SEPARATORS: Final = (",", ";", "\t", "|", "::", "||", "\x01", "~", "^", ":", ", ", "; ", " | ", " :: ", "\t\t", " ")
"""Candidates; of two that explain a file alike, the longer one wins, and the blank loses to all."""
_LOOKED_AT = 2000
_CONSISTENT = 0.95
_LEAST_SHARE = 0.6
_TRIED = 50


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
        Fields of most lines; JSON: of the first object.
    skipped
        Lines above the table that are no part of it.
    comment
        What the lines that are no rows start with, if there are any.
    names
        Names of the columns that the last comment above the rows holds.
    stray
        Lines with a single ``"`` that would swallow those behind them if quotes counted.
    """

    kind: Literal["jsonl", "json", "literals", "csv"]
    separator: str | None
    quoting: bool
    share: float
    width: int
    skipped: int = 0
    comment: str | None = None
    names: tuple[str, ...] = ()
    stray: bool = False


def dialect_of(text: str) -> Dialect | None:
    r"""Tell how a text is written; None when no separator gives two or more columns.

    ``text`` holds whole lines with ``\n`` between them.
    """
    if text.lstrip()[:1] in {"{", "["}:
        return _json(text)
    comment = _comment_of(text)
    lines = text.split("\n")
    plain = text if comment is None else "\n".join(line for line in lines if not line.startswith(comment))
    announced = _ANNOUNCED.fullmatch(lines[0].strip())
    skipped = 1 if announced else 0
    table = "\n".join(plain.split("\n")[skipped:])
    found = _by_separator(table, (announced[1],) if announced else SEPARATORS)
    if found is None:
        return None
    above = 0 if announced else _above(table, found)
    names = () if comment is None else _names_in_comment(text, comment, found)
    return replace(found, skipped=skipped + above, comment=comment, names=names)


def _by_separator(text: str, separators: Sequence[str]) -> Dialect | None:
    candidates = [found for separator in separators if separator in text and (found := _delimited(text, separator))]
    best = max(candidates, key=_rank, default=None)
    if best is None or best.separator is None:
        return None
    longer = [one for one in candidates if _is_same_but_longer(text, best.separator, one)]
    return max(longer, key=lambda one: len(one.separator or ""), default=best)


_ANNOUNCED: Final = re.compile(r"sep=(.)", re.IGNORECASE)
"""The first line by which Excel is told the separator."""
_COMMENTS: Final = ("#", "%", "//", "--")
_MOST_ABOVE = 50


def _comment_of(text: str) -> str | None:
    """Return the sign that the first lines start with, if the rest of the file has other lines."""
    first = text.lstrip("\n")[:2]
    sign = next((sign for sign in _COMMENTS if first.startswith(sign)), None)
    if sign is None:
        return None
    lines = [line for line in text.split("\n")[:_LOOKED_AT] if line]
    return sign if any(not line.startswith(sign) for line in lines) else None


def _names_in_comment(text: str, comment: str, found: Dialect) -> tuple[str, ...]:
    """Return the fields of the last comment above the first row, where they are as many as a row's and no numbers."""
    above = list(takewhile(lambda line: line.startswith(comment) or not line, text.split("\n")))
    last = next((line for line in reversed(above) if line), "").removeprefix(comment).strip()
    names = tuple(name.strip() for name in last.split(found.separator or ","))
    fits = len(names) == found.width and all(names) and not any(map(_is_number, names))
    return names if fits and len({*names}) == len(names) else ()


def _above(text: str, found: Dialect) -> int:
    """Count the lines above the table: those before the first with all fields, where a title or a blank stands."""
    head, *below = [*islice(_rows(text, found.separator or ",", quoting=found.quoting), _MOST_ABOVE)] or [[]]
    names = len(table_names(head, [row for row in below if row]))
    if found.width in {len(head), len(head) + 1, names} and _filled(head) > 1:
        return 0
    rows = _rows_and_lines(text, found)
    first = next((line for line, row in rows if len(row) in {found.width, found.width - 1} and _filled(row) > 1), 0)
    return first if first <= _MOST_ABOVE else 0


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _rows_and_lines(text: str, found: Dialect) -> list[tuple[int, list[str]]]:
    lines = text.split("\n")[: _MOST_ABOVE + 1]
    return [(at, line.split(found.separator or ",")) for at, line in enumerate(lines)]


def split_rows(text: str, dialect: Dialect, most: int = _LOOKED_AT) -> list[list[str]]:
    """Return the first rows of a delimited text, the preamble left out; unreadable ones are left out."""
    lines = text.split("\n")
    if dialect.comment is not None:
        lines = [line for line in lines if not line.startswith(dialect.comment)]
    plain = "\n".join(lines[dialect.skipped :])
    return [row for row in islice(_rows(plain, dialect.separator or ",", quoting=dialect.quoting), most) if row]


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
    stray = quotable and _swallows(read[True], read[False])
    quoting = quotable and not stray and read[True][1] >= read[False][1]
    width, share, _ = read[quoting]
    if width < 2 or share < _LEAST_SHARE:
        return None
    return Dialect("csv", separator, quoting or not quotable, share, width, stray=stray)


def _swallows(quoted: tuple[int, float, int], plain: tuple[int, float, int]) -> bool:
    """Tell whether quotes only join rows that are whole without them: as many fields in nearly all, and more rows."""
    return plain[0] == quoted[0] and plain[1] >= _CONSISTENT and plain[2] > quoted[2]


def _consistency(text: str, separator: str, *, quoting: bool) -> tuple[int, float, int]:
    """Return the commonest number of fields, the share of rows that have it, and the rows; readers judge rows so."""
    widths = [len(row) for row in islice(_rows(text, separator, quoting=quoting), _LOOKED_AT) if row != []]
    if not widths:
        return 0, 0.0, 0
    width, count = Counter(widths).most_common(1)[0]
    return width, count / len(widths), len(widths)


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
    """Tell JSON lines, Python literals and one document apart; a text that starts so is never delimited fields."""
    lines = [line for line in text.split("\n")[:_LOOKED_AT] if line and not line.isspace()]
    objects = [found for line in lines if isinstance(found := _loaded(line), dict)]
    if objects:
        return Dialect("jsonl", None, quoting=True, share=len(objects) / len(lines), width=len(objects[0]))
    literals = [found for line in lines[:_TRIED] if isinstance(found := _literal(line), dict)]
    if len(literals) > len(lines[:_TRIED]) / 2:
        share = len(literals) / len(lines[:_TRIED])
        return Dialect("literals", None, quoting=True, share=share, width=len(literals[0]))
    starts = text.lstrip()
    a_document = starts.startswith("[{") or (starts[:1] in "{[" and starts[1:].lstrip()[:1] in {'"', "{", "["})
    return Dialect("json", None, quoting=True, share=0.0, width=0) if a_document else None


def _literal(line: str) -> object:
    try:
        return parse_line(line)
    except (ValueError, RecursionError):
        return None


def _loaded(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def json_keys(text: str) -> list[str]:
    """Return the keys of the first objects of JSON lines or literals, in the order in which they come."""
    objects = (_literal(line) for line in text.split("\n")[:_LOOKED_AT])
    return list(dict.fromkeys(str(key) for found in objects if isinstance(found, dict) for key in found))
