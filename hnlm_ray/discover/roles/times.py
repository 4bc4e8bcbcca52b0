"""How the times of a column are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

from hnlm_ray.discover.files.columns import Column

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
)
_CLOCKS: Final = (
    *("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", ", %I:%M %p"),
    *("T%H:%M:%S", " %H:%M:%S.%f", " %H:%M:%S UTC", " %H:%M:%S %z", " at %I:%M %p", " %H.%M", "%H%M%S"),
)
_WHOLE: Final = (
    *("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT"),
    *("%d/%b/%Y:%H:%M:%S %z", "%A, %B %d, %Y", "%a, %d %b %Y", "%Y-%m-%dT%H:%M:%S UTC", "%A, %d. %B %Y"),
)
FORMATS: Final = (*(date + clock for date, clock in product(_DATES, _CLOCKS)), *_WHOLE)
_FIXED: Final = {found: frozenset(re.sub(r"%.|\s", "", found).lower()) for found in FORMATS}
_LOOKED_AT = 300
_CONSISTENT = 0.98
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_SECONDS: Final = (5e7, 4.2e9)
"""1971 to 2103: smaller numbers are years, days or counts."""


@dataclass(frozen=True)
class Times:
    """One way to read a column of times.

    Attributes
    ----------
    time_format
        A strptime format; None for numbers since 1970, ISO 8601 and Parquet's own times.
    told
        The reading in words.
    """

    time_format: str | None
    told: str


def reads(column: Column, time_format: str) -> bool:
    """Tell whether a format reads the values of a column, but for one in fifty."""
    texts = _looked_at(column)
    return bool(texts) and _share(texts, time_format) >= _CONSISTENT


def _looked_at(column: Column) -> list[str]:
    return [text.strip() for text in column.head[:: max(1, len(column.head) // _LOOKED_AT)][:_LOOKED_AT]]


def times_of(column: Column) -> list[Times]:
    """Return the ways to read a column as times, the likelier first; none when it holds no times."""
    if column.typed_time:
        return [Times(None, "a column of times")]
    texts = _looked_at(column)
    if not texts or max(map(len, texts)) > 60:
        return []
    if column.numeric:
        return _numbers(column, texts)
    if _share(texts, None) >= _CONSISTENT:
        return [Times(None, "ISO 8601")]
    return [Times(found, f"dates such as {texts[0]}, read as {found}") for found in _fitting(texts)]


def _numbers(column: Column, texts: Sequence[str]) -> list[Times]:
    """Numbers are seconds or milliseconds since 1970, unless they are digits of a date."""
    low, high = float(column.numbers.min()), float(column.numbers.max())
    digits = {len(text) for text in texts}
    for width, found in ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S")):
        if digits == {width} and _share(texts, found) >= _CONSISTENT:
            return [Times(found, f"digits of a date, read as {found}")]
    for unit, factor in (("seconds", 1.0), ("milliseconds", 1e3)):
        if _SECONDS[0] * factor <= low and high <= _SECONDS[1] * factor:
            return [Times(None, f"{unit} since 1970")]
    return []


def _fitting(texts: Sequence[str]) -> list[str]:
    """Return the formats that read almost all texts: those of the first five, tried on the rest."""
    possible = dict.fromkeys(found for text in texts[:5] for found in _like(text) if _date(text, found))
    shares = {found: _share(texts, found) for found in possible}
    best = max(shares.values(), default=0.0)
    fitting = [found for found, share in shares.items() if share >= _CONSISTENT and share == best]
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
