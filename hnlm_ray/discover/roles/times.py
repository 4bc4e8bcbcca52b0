"""How the times of a column are written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

import numpy as np

from hnlm_ray.discover.files.columns import DASHES, MISSING, ZERO_DATES, Column

_DATES: Final = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d", "%Y%m%d"),
    *("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B, %Y", "%d %b, %Y", "%m %d, %Y"),
    *(
        "%d.%m.%y",
        "%m/%d/%y",
        "%d/%m/%y",
        "%Y年%m月%d日",
        "%Y년 %m월 %d일",
        "%B %d %Y",
        "%b %d %Y",
        "%d. %B %Y",
        "%d. %m. %Y",
    ),
    *("%d %m %Y", "%Y %m %d", "%Y-%b-%d", "%a %d %b %Y", "%a %d/%m/%Y", "%a %b %d %Y"),
)
_CLOCKS: Final = (
    *("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", ", %I:%M %p"),
    *("T%H:%M:%S", " %H:%M:%S.%f", " %H:%M:%S UTC", " %H:%M:%S %z", " at %I:%M %p", " %H.%M", "%H%M%S"),
    *(
        " %H:%M:%S.%f UTC",
        "T%H:%M",
        "T%H:%M:%SZ",
        " %H:%M:%S%z",
        " - %H:%M",
        " %H:%M Uhr",
        " %Hh%M",
        " à %H:%M",
        " um %H:%M",
        ":%H:%M:%S",
    ),
    *(" %H:%M:%S GMT%z", " %H:%M:%S GMT", " %H:%M:%S %Z"),
)
_WHOLE: Final = (
    *("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT"),
    *("%d/%b/%Y:%H:%M:%S %z", "%A, %B %d, %Y", "%a, %d %b %Y", "%Y-%m-%dT%H:%M:%S UTC", "%A, %d. %B %Y"),
)
FORMATS: Final = (*(date + clock for date, clock in product(_DATES, _CLOCKS)), *_WHOLE)
_FIXED: Final = {found: frozenset(re.sub(r"%.|\s", "", found).lower()) for found in FORMATS}
_LOOKED_AT = 300
_CONSISTENT = 0.98
_MOST_DIGITS = 0.9
_LONGEST = 80
_TRIED = 8
_NO_TIME: Final = frozenset({"0", "-1"}) | ZERO_DATES
"""What stands for an unknown time in columns of times."""
_UNKNOWN: Final = (
    r"^\s*(?:(?:1970|1900|1899|0001|9999)[-/.](?:0?1|12)[-/.](?:0?1|3[01])|(?:0?1|3[01])[./-](?:0?1|12)[./-](?:1970|1900|0001|9999)"
    r"|12/3[01]/(?:1969|1899|9999))(?:\D|$)"
)
"""Dates that programs write for an unknown one: the first of their calendar, or its last."""
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_SECONDS: Final = (5e7, 4.2e9)
"""1971 to 2103: smaller numbers are years, days or counts."""


_DIGITS: Final = ((8, "%Y%m%d"), (10, "%Y%m%d%H"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S"), (6, "%y%m%d"))
"""Digits of a date by their number; before epochs, which are as long. Six digits are a date by name alone."""
_UNITS: Final = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_BRACKETS: Final = re.compile(r"\s*\([^()]*\)$")
_MONTH: Final = re.compile(
    r"\b(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|ao[uû]t|sep|o[ck]t|nov|d[eé][cz]|f[eé]v|mon|tue|wed|thu|fri|sat|sun)",
    re.IGNORECASE,
)
_YEAR: Final = re.compile(r"\b(19|20)\d\d\b")
_HALF, _MOSTLY = 0.5, 0.95
_NEVER: Final = (2.5e11, 2.6e11)
"""The year 9999 in seconds."""
_MOST_ODD = 20


@dataclass(frozen=True)
class Times:
    """One way to read a column of times.

    Attributes
    ----------
    time_format
        A strptime format; None for numbers since 1970, ISO 8601 and Parquet's own times.
    told
        The reading in words.
    odd
        Some of the cells that it does not read; words for a missing value are not among them.
    outside
        Some numbers are no time at all, such as 0 for an unknown one.
    units
        Seconds, milliseconds and the like stand beside each other.
    """

    time_format: str | None
    told: str
    odd: tuple[str, ...] = ()
    outside: bool = False
    units: tuple[str, ...] = ()


def reads(column: Column, time_format: str) -> bool:
    """Tell whether a format reads the values of a column, but for one in fifty."""
    texts = _looked_at(column)
    return bool(texts) and _share(texts, time_format) >= _CONSISTENT


def _looked_at(column: Column) -> list[str]:
    """Return some distinct values that are there, without what stands in brackets behind them (a zone's name)."""
    texts = [text for text in map(str.strip, column.head) if text not in MISSING | DASHES and text not in _NO_TIME]
    return [_BRACKETS.sub("", text) for text in texts[:: max(1, len(texts) // _LOOKED_AT)][:_LOOKED_AT]]


def times_of(column: Column, *, named: bool = False) -> list[Times]:
    """Return the ways to read a column as times, the likelier first; none when it holds no times.

    With ``named`` the column is known to hold times, so that up to half of its values may be something else.
    """
    if column.typed_time:
        return [Times(None, "a column of times")]
    texts = _looked_at(column)
    if not texts or max(map(len, texts)) > _LONGEST:
        return []
    if column.numeric or (named and np.mean(~np.isnan(column.parsed)) >= _HALF):
        return _numbers(column, named=named)
    least = _HALF if named else _CONSISTENT
    zeros = tuple(column.rows_of(_NO_TIME - ZERO_DATES)) if named else ()
    unknown = bool(zeros or column.rows_matching(_UNKNOWN))
    if _share(texts, None) >= least:
        return [Times(None, "ISO 8601", _odd(texts, None), unknown)]
    return [
        Times(found, f"dates such as {texts[0]}, read as {found}", (*_odd(texts, found), *zeros), unknown)
        for found in _fitting(texts, least)
    ]


def is_dated(column: Column) -> bool:
    """Tell whether most values are short texts with a month or a weekday and a year: dates in an unknown form."""
    dated = [len(text) <= _LONGEST and _MONTH.search(text) and _YEAR.search(text) for text in column.head]
    return bool(dated) and float(np.mean([bool(one) for one in dated])) >= _MOST_DIGITS


def _odd(texts: Sequence[str], time_format: str | None) -> tuple[str, ...]:
    return tuple(text for text in texts if _date(text, time_format) is None)[:_MOST_ODD]


def _numbers(column: Column, *, named: bool) -> list[Times]:
    """Numbers are digits of a date, or seconds, milliseconds, ... since 1970, each by its size."""
    there = column.parsed[~np.isnan(column.parsed)]
    rows = column.counts[~np.isnan(column.parsed)]
    least = _HALF if named else _MOSTLY
    texts = [text for text in _looked_at(column) if text.isdecimal()]
    for width, found in _DIGITS[: None if named else -1]:
        like = [text for text in texts if len(text) == width and _date(text, found)]
        if like and len(like) >= max(least, _MOST_DIGITS) * len(texts):
            return [Times(found, f"digits of a date, read as {found}", _odd(texts, found))]
    inside = {unit: (_SECONDS[0] * factor <= there) & (there <= _SECONDS[1] * factor) for unit, factor in _UNITS}
    shares = {unit: float(rows[mask].sum() / max(1, rows.sum())) for unit, mask in inside.items()}
    units = sorted((unit for unit, share in shares.items() if share), key=lambda unit: -shares[unit])
    never = units[:1] == ["seconds"] and (there >= _NEVER[0]) & (there <= _NEVER[1])
    whole = (
        sum(shares.values()) - float(rows[never].sum() / max(1, rows.sum())) if np.any(never) else sum(shares.values())
    )
    units = [unit for unit in units if unit == units[0] or (inside[unit] & ~np.asarray(never)).any()]
    if whole < least or not units or (len(units) > 1 and not named):
        return []
    odd = tuple(text for text in map(str.strip, column.head) if text not in MISSING and not _is_number(text))
    return [Times(None, f"{' or '.join(units)} since 1970", odd[:_MOST_ODD], whole < 1, tuple(units))]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _fitting(texts: Sequence[str], least: float = _CONSISTENT) -> list[str]:
    """Return the formats that read almost all texts: those of the first five, tried on the rest."""
    possible = dict.fromkeys(found for text in texts[:_TRIED] for found in _like(text) if _date(text, found))
    shares = {found: _share(texts, found) for found in possible}
    best = max(shares.values(), default=0.0)
    fitting = [found for found, share in shares.items() if share >= least and share == best]
    return _without_twins(fitting, texts)


def _like(text: str) -> list[str]:
    """Return the formats whose punctuation and words a text has: to compile all of them takes Python half a second."""
    chars = set(text.lower())
    return [found for found, fixed in _FIXED.items() if fixed <= chars] if any(map(str.isdigit, chars)) else []


def _without_twins(formats: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Keep one of the formats that read every text as the same time."""
    read: dict[tuple[datetime | None, ...], str] = {}
    for found in formats:
        read.setdefault(tuple(_date(text, found) for text in texts), found)
    return list(read.values())


def _share(texts: Sequence[str], time_format: str | None) -> float:
    return sum(_date(text, time_format) is not None for text in texts) / len(texts)


def _date(text: str, time_format: str | None) -> datetime | None:
    try:
        iso = time_format is None
        found = datetime.fromisoformat(text) if iso else datetime.strptime(text, str(time_format))  # noqa: DTZ007 - compared only
    except ValueError:
        return None
    return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None
