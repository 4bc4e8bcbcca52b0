"""The raw columns of one block of a file, and the row checks that all formats share."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.readers.rejects import FileRejects

Mask = npt.NDArray[np.bool_]
_SHOWN_COLUMNS, _SHOWN_CHARS = 30, 60
_MOSTLY = 0.9


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

    def leave_out(self, repeated: Mask, reason: str, values: pa.Array) -> None:
        """Leave out readable records that are not wanted."""
        for row in np.flatnonzero(repeated & self.keep):
            self._rejects.leave_out(int(self._lines[row]), reason, str(values[int(row)].as_py()))
        self.keep &= ~repeated

    def leave_out_value(self, unwanted: Mask, reason: str, values: pa.Array) -> None:
        """Count values that are left out while their records stay."""
        for row in np.flatnonzero(unwanted & self.keep):
            self._rejects.leave_out(int(self._lines[row]), reason, str(values[int(row)].as_py()))


def _shown(value: pa.Scalar) -> str:
    try:
        found = value.as_py()
    except (ValueError, OverflowError):  # of a Parquet file: a day or second that Python has no value for
        return f"{value.type} out of range"
    return "" if found is None else str(found)


def table_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Name all columns of a delimited file by its header and some of its rows.

    A name that is there again is followed by '.1', '.2', ..., as in pandas. Where rows have one field more than the
    header, either their last field is blank (a separator ends each line) and that column is called '', or the first
    holds the rows' names, as R writes them, and is called 'row'.
    """
    names = _unique(header)
    longer = [row for row in rows if len(row) == len(header) + 1]
    if len(longer) <= len(rows) / 2:
        return names
    if sum(not row[-1].strip() for row in longer) > _MOSTLY * len(longer):
        return [*names, ""]
    return ["row" if "row" not in names else "row.0", *names]


def _unique(header: Sequence[str]) -> list[str]:
    names: list[str] = []
    for name in header:
        further = (f"{name}.{count}" for count in range(1, len(header) + 1))
        free = (one for one in further if one not in names and one not in header)
        names.append(name if name not in names else next(free))
    return names


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
