"""Whether the first line of a delimited file names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
