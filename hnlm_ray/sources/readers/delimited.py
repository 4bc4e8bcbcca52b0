"""Records of a delimited text file. Line ends inside quotes are part of a field.

Blocks of a delimited file in which nothing is odd, parsed by Arrow: the common case, some ten times as fast.

What :func:`clean_columns` gives is what the careful parser gives; where the two could differ (quotes, lone carriage
returns, blank lines, rows of another width, ...) it gives nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat, InteractionFile
from hnlm_ray.sources.readers.records import Records, check_columns
from hnlm_ray.sources.readers.rejects import FileRejects
from hnlm_ray.sources.readers.streams import LINE_LIMIT, Block, Utf8Stream, line_blocks

if TYPE_CHECKING:
    import _csv


_STAND_IN: Final = "\x1f"
"""Takes the place of a separator that is not one ASCII character."""


def clean_columns(
    block: Block, separator: str, names: Sequence[str], wanted: Sequence[str], *, quoting: bool
) -> dict[str, pa.Array] | None:
    """Return the wanted columns of a block as text, a row a line; None where a line of it is odd.

    Parameters
    ----------
    block
        Whole lines, the header not among them; no record began before it.
    separator, quoting
        As configured; with ``quoting`` a quote is odd.
    names
        Of all columns.
    wanted
        Of those to return, each of which is in ``names`` once.
    """
    text = _clean_text(block, separator, quoting=quoting)
    if text is None:
        return None
    positions = {name: str(names.index(name)) for name in wanted}
    lines = text.count("\n") + 1
    try:
        table = _parsed(text, separator if _is_plain(separator) else _STAND_IN, len(names), list(positions.values()))
    except pa.ArrowInvalid:  # a row has another number of fields
        return None
    if table.num_rows != lines:
        return None
    return {name: table[position].combine_chunks() for name, position in positions.items()}


def _is_plain(separator: str) -> bool:
    return len(separator) == 1 and separator.isascii()


def _clean_text(block: Block, separator: str, *, quoting: bool) -> str | None:
    """Return lines that Arrow's parser reads as ours does; None where it may not."""
    text = block.text
    if block.damaged or separator in {"\r", "\n"}:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    if not _is_plain(separator):
        if _STAND_IN in text:
            return None
        text = text.replace(separator, _STAND_IN)
    blank = not text or text[0] in "\n\ufeff" or text[-1] == "\n" or "\n\n" in text
    odd = "\r" in text or "\0" in text or (quoting and '"' in text)
    return None if blank or odd else text


def _parsed(text: str, separator: str, width: int, positions: list[str]) -> pa.Table:
    data = text.encode()
    columns = [str(position) for position in range(width)]
    return pacsv.read_csv(
        pa.py_buffer(data),
        read_options=pacsv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=columns),
        parse_options=pacsv.ParseOptions(delimiter=separator, quote_char=False, double_quote=False),
        convert_options=pacsv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(positions, pa.string()), include_columns=positions
        ),
    )


MOST_READ_AGAIN: Final = 16 * LINE_LIMIT
UNDECODED: Final = re.compile("[\udc80-\udcff]")
_REASONS: Final = {
    "unexpected end": "quote is never closed",
    "expected after": "text follows a closing quote",
    "field larger": "field is longer than 1 MiB",
    "new-line": "carriage return outside quotes",
}

# One limit for the whole process: it is only ever raised, to what a line may hold anyway.
csv.field_size_limit(max(csv.field_size_limit(), LINE_LIMIT))


@dataclass
class Rows:
    """Parsed rows, with the physical lines where they start."""

    lines: list[int]
    fields: list[list[str]]


def delimited_records(
    stream: Utf8Stream, options: FileFormat, separator: str, wanted: Sequence[str], rejects: FileRejects
) -> Iterator[Records]:
    """Yield the wanted columns, a block of lines at a time.

    Raises
    ------
    SourceError
        When the file is empty, its first line is unreadable or a column is missing.
    """
    quoting = options.quoting and len(separator) == 1
    parser = RowParser(separator, quoting=quoting, rejects=rejects)
    names: list[str] = []
    for block in _with_head_apart(line_blocks(stream, rejects)):
        ready = names and not parser.is_open
        columns = clean_columns(block, separator, names, wanted, quoting=quoting) if ready else None
        if columns is not None:
            rows_read = len(columns[wanted[0]])
            yield Records(np.arange(block.first, block.first + rows_read, dtype=np.int64), columns)
            continue
        rows = parser.rows(block)
        if not names and rows.fields:
            names = _names(rows, options, stream, rejects)
            check_columns(stream.file.name, wanted, names)
        if block.damaged:
            rows = _decoded(rows, options, stream.encoding, rejects)
        if rows.fields:
            yield _columns(_full_width(rows, len(names), rejects), names, wanted)
    if not names:
        raise SourceError(f"{stream.file.name} is empty; correct the path in the source section")


def _with_head_apart(blocks: Iterator[Block]) -> Iterator[Block]:
    """Give the first line a block of its own: a header in quotes must not make its whole block slow."""
    for block in blocks:
        head, newline, rest = block.text.partition("\n") if block.first == 1 else (block.text, "", "")
        if newline:
            yield replace(block, text=head, ends=False)
            yield replace(block, first=2, text=rest)
        else:
            yield block


class RowParser:
    """Parses blocks one after the other; an open quote carries its lines over to the next block."""

    def __init__(self, separator: str, *, quoting: bool, rejects: FileRejects) -> None:
        self.width = 0
        self._separator = separator
        self._quoting = quoting
        self._rejects = rejects
        self._open: Block | None = None

    @property
    def is_open(self) -> bool:
        """Whether a record goes on in the next block."""
        return self._open is not None

    def rows(self, block: Block) -> Rows:
        """Return the rows that end in this block; blank lines are none."""
        if self._open is not None:
            text = f"{self._open.text}\n{block.text}" if block.text else self._open.text
            block = replace(block, first=self._open.first, text=text)
            self._open = None
        if self._quoting and ('"' in block.text or "\r" in block.text.replace("\r\n", "").removesuffix("\r")):
            return self._quoted(block)
        return self._plain(block)

    def _plain(self, block: Block) -> Rows:
        lines = block.text.split("\n")
        if "\r" in block.text:
            lines = [line.removesuffix("\r") for line in lines]
        numbers = range(block.first, block.first + len(lines))
        filled = [(number, line) for number, line in zip(numbers, lines, strict=True) if line]
        rows = Rows([number for number, _ in filled], [line.split(self._separator) for _, line in filled])
        self.width = self.width or len(rows.fields[0] if filled else ())
        return rows

    def _quoted(self, block: Block) -> Rows:
        """Parse with the csv module.

        When a record of several lines turns out wrong, only its first line is rejected and parsing goes on
        with the second: a stray quote must not swallow the good lines behind it. A block of nothing but stray
        quotes would be read once a line: past :data:`MOST_READ_AGAIN` characters a record ends with its line.
        """
        lines = [line + "\n" for line in block.text.split("\n")]
        rows, begin, again = Rows([], []), 0, 0
        reader = self._reader(lines, begin)
        while (start := begin + reader.line_num) < len(lines):
            if again > MOST_READ_AGAIN:
                begin, reader = start, self._reader(lines[start : start + 1], 0)
            try:
                fields: list[str] = next(reader, [])
                wrong = self._swallowed(fields, begin + reader.line_num - start)
            except csv.Error as error:
                wrong = next((reason for sign, reason in _REASONS.items() if sign in str(error)), str(error))
                open_end = "unexpected end" in str(error) and again <= MOST_READ_AGAIN
                if open_end and self._stays_open(block, lines, start):
                    return rows
            if wrong:
                self._reject(block.first + start, wrong)
                self._rejects.check_early(len(rows.lines))
                if (end := begin + reader.line_num) > start + 1:
                    again += sum(map(len, lines[start + 1 : end]))
                    begin = start + 1
                    reader = self._reader(lines, begin)
            elif fields:
                self.width = self.width or len(fields)
                rows.lines.append(block.first + start)
                rows.fields.append(fields)
        return rows

    def _reader(self, lines: list[str], begin: int) -> _csv.Reader:
        rest = (lines[index] for index in range(begin, len(lines)))
        return csv.reader(rest, delimiter=self._separator, strict=True)

    def _swallowed(self, fields: list[str], span: int) -> str:
        if span > 1 and self.width and len(fields) != self.width:
            return _width_reason(self.width)
        return ""

    def _stays_open(self, block: Block, lines: list[str], start: int) -> bool:
        text = "".join(lines[start:])
        if block.ends or len(text) > LINE_LIMIT:
            return False
        self._open = Block(block.first + start, text.removesuffix("\n"), block.damaged, ends=False)
        return True

    def _reject(self, line: int, reason: str) -> None:
        self._rejects.read(1)
        self._rejects.add(line, reason)


def _names(rows: Rows, options: FileFormat, stream: Utf8Stream, rejects: FileRejects) -> list[str]:
    """Take the header off the rows, or name the columns by position."""
    if rejects.first_bad is not None and rejects.first_bad < rows.lines[0]:
        raise SourceError(f"the first line of {stream.file.name} can't be read, and it tells the columns; mend it")
    if UNDECODED.search("\n".join(rows.fields[0])):
        raise SourceError(f"the first line of {stream.file.name} is {undecoded_reason(options, stream.encoding)}")
    if not options.header:
        return [*options.names] or [str(position) for position in range(len(rows.fields[0]))]
    rows.lines.pop(0)
    return rows.fields.pop(0)


def _width_reason(width: int) -> str:
    return f"number of fields is not {width}"


def _full_width(rows: Rows, width: int, rejects: FileRejects) -> Rows:
    if set(map(len, rows.fields)) <= {width}:
        return rows
    kept = Rows([], [])
    for line, fields in zip(rows.lines, rows.fields, strict=True):
        if len(fields) == width:
            kept.lines.append(line)
            kept.fields.append(fields)
        else:
            rejects.read(1)
            rejects.add(line, _width_reason(width), str(len(fields)))
    return kept


def undecoded_reason(options: FileFormat, encoding: str) -> str:
    """Say what is wrong with bytes that don't decode, and which setting corrects it."""
    section = "interactions" if isinstance(options, InteractionFile) else "items"
    return f"not {encoding}, set source.{section}.encoding"


def _decoded(rows: Rows, options: FileFormat, encoding: str, rejects: FileRejects) -> Rows:
    """Reject the rows that hold bytes which did not decode."""
    kept = Rows([], [])
    for line, fields in zip(rows.lines, rows.fields, strict=True):
        found = UNDECODED.search("\n".join(fields))
        if found:
            rejects.read(1)
            rejects.add(line, undecoded_reason(options, encoding), f"byte 0x{ord(found.group()) - 0xDC00:02X}")
        else:
            kept.lines.append(line)
            kept.fields.append(fields)
    return kept


def _columns(rows: Rows, names: list[str], wanted: Sequence[str]) -> Records:
    positions = {name: names.index(name) for name in wanted}
    columns = {
        name: pa.array([fields[position] for fields in rows.fields], pa.string())
        for name, position in positions.items()
    }
    return Records(np.array(rows.lines, dtype=np.int64), columns)
