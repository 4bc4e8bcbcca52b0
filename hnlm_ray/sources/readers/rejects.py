"""Lines that can't be used: counted all, kept with their reason up to a limit, judged a file at a time."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, InteractionFile
from hnlm_ray.workspace.tables import TABLES

KEPT_ROWS = 10_000
MOST_LEFT_OUT = 1000
MOST_KINDS = 50
SHOWN_CHARS = 40
UNDECODED: Final = re.compile("[\udc80-\udcff]")
EARLY_LINES = 1000
EARLY_SHARE = 0.5


def undecoded_reason(options: FileFormat, encoding: str) -> str:
    """Say what is wrong with bytes that don't decode, and which setting corrects it."""
    section = "interactions" if isinstance(options, InteractionFile) else "items"
    return f"not {encoding}, set source.{section}.encoding"


class Rejects:
    """Collects the rejected lines of all files that a source reads.

    Parameters
    ----------
    keep
        Rows kept for :meth:`table`; further ones are only counted.

    Attributes
    ----------
    lines
        Records read: headers and blank lines are none.
    bad
        Records that can't be read.
    by_reason
        Records and values left out by reason; what is readable but unwanted (repeated items, other kinds of events)
        is here and not in ``bad``.
    kinds
        Kinds of events that are left out and counted by name, 50 at most.
    """

    def __init__(self, keep: int = KEPT_ROWS) -> None:
        self.keep = keep
        self.lines = 0
        self.bad = 0
        self.by_reason: Counter[str] = Counter()
        self.kinds: set[str] = set()
        self._left_out: Counter[str] = Counter()
        self._rows: list[tuple[str, int, str]] = []

    def file(self, name: str, max_bad_share: float) -> FileRejects:
        """Start the account of one file."""
        return FileRejects(self, name, max_bad_share)

    def keep_row(self, file: str, line: int, reason: str) -> None:
        """Remember one line as long as there is room."""
        if len(self._rows) < self.keep:
            self._rows.append((file, line, reason))

    def room(self, reason: str) -> int:
        """Return how many more readable records of a reason are kept: bad lines must find room beside them."""
        of_all = self.keep // 2 - self._left_out.total()
        return max(0, min(MOST_LEFT_OUT - self._left_out[reason], of_all))

    def keep_left_out(self, file: str, line: int, reason: str, told: str) -> None:
        """Remember one readable line or value that is left out, as long as there is room."""
        if self.room(reason):
            self._left_out[reason] += 1
            self.keep_row(file, line, told)

    def table(self) -> pa.Table:
        """Return the kept rows; schema ``TABLES["rejected_lines"]``."""
        files, lines, reasons = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        return pa.table([list(files), list(lines), list(reasons)], schema=TABLES["rejected_lines"])


class FileRejects:
    """The account of one file; :meth:`finish` and :meth:`check_early` raise SourceError."""

    def __init__(self, rejects: Rejects, name: str, max_bad_share: float) -> None:
        self.name = name
        self._rejects = rejects
        self._allowed = max_bad_share
        self._lines = 0
        self.first_bad: int | None = None
        self._bad: Counter[str] = Counter()
        self._first: dict[str, tuple[int, str]] = {}

    @property
    def lines(self) -> int:
        """Records counted so far."""
        return self._lines

    def read(self, lines: int) -> None:
        """Count records that were read, good or bad."""
        self._lines += lines
        self._rejects.lines += lines

    def add(self, line: int, reason: str, value: str | None = None) -> None:
        """Reject the record that starts at a physical line; it must be counted by :meth:`read` as well."""
        example = "" if value is None else repr(value[:SHOWN_CHARS])
        self._bad[reason] += 1
        self.first_bad = line if self.first_bad is None else self.first_bad
        self._first.setdefault(reason, (line, example))
        self._rejects.bad += 1
        self._note(line, reason, example)

    def leave_out(self, line: int, reason: str, value: str) -> None:
        """Leave out a record or value that is readable but not wanted: no sign of a damaged file."""
        self._rejects.by_reason[reason] += 1
        self._rejects.keep_left_out(self.name, line, reason, f"{reason}: {value[:SHOWN_CHARS]!r}")

    def count(self, reason: str, records: int) -> None:
        """Count further records or values that are left out, where :meth:`room` has none."""
        if records:
            self._rejects.by_reason[reason] += records

    def room(self, reason: str) -> int:
        """Return how many more records left out for a reason are kept with their lines."""
        return self._rejects.room(reason)

    def names_kind(self, kind: str) -> bool:
        """Tell whether a kind of events is counted by its name: the first 50 of a source are."""
        if len(self._rejects.kinds) < MOST_KINDS:
            self._rejects.kinds.add(kind)
        return kind in self._rejects.kinds

    def _note(self, line: int, reason: str, example: str) -> None:
        self._rejects.by_reason[reason] += 1
        self._rejects.keep_row(self.name, line, f"{reason}: {example}" if example else reason)

    def check_early(self, waiting: int = 0) -> None:
        """Stop a file that is plainly something else: over half of at least 1000 lines are bad.

        ``waiting`` records have been read, are good so far, and are not counted yet.
        """
        lines = self._lines + waiting
        if lines >= EARLY_LINES and self._bad.total() > max(EARLY_SHARE, self._allowed) * lines:
            raise SourceError(self._sentence())

    def finish(self) -> None:
        """Judge the whole file."""
        if self._bad.total() > self._allowed * self._lines:
            raise SourceError(self._sentence())

    def _sentence(self) -> str:
        bad, lines = self._bad.total(), self._lines
        reason, _ = self._bad.most_common(1)[0]
        line, example = self._first[reason]
        where = f"line {line}: {example}" if example else f"line {line}"
        return (
            f"{self.name}: {bad} of {lines} lines can't be read ({100 * bad / lines:.3g}%, allowed "
            f"{100 * self._allowed:.3g}%); most frequent: {reason} ({where}); mend the file or raise "
            "source.max_bad_share"
        )
