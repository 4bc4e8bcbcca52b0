"""Records of a delimited text file. Line ends inside quotes are part of a field.

Blocks of a delimited file in which nothing is odd, parsed by Arrow: the common case, some ten times as fast.

What :func:`clean_columns` gives is what the careful parser gives; where the two could differ (quotes, lone carriage
returns, blank lines, rows of another width, ...) it gives nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pacsv

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat
from hnlm_ray.sources.readers.records import ROW_NAMES, Records, RowShape, check_columns, table_names, to_mask
from hnlm_ray.sources.readers.rejects import UNDECODED, FileRejects, undecoded_reason
from hnlm_ray.sources.readers.streams import (
    LINE_LIMIT,
    Block,
    Utf8Stream,
    below_preamble,
    line_blocks,
    without_comments,
)

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


HEADER_AGAIN: Final = "the header again"
STRAY_QUOTES: Final = "stray quotes join rows"
_AHEAD_LINES, _AHEAD_CHARS = 2000, 2**20
_KNOWN_ROWS: Final = 200
MOST_READ_AGAIN: Final = 16 * LINE_LIMIT
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
    parser = RowParser(separator, quoting=quoting, rejects=rejects, comment=options.comment)
    blocks = _with_head_apart(below_preamble(line_blocks(stream, rejects), options))
    head, rows = _first_rows(blocks, parser, stream)
    text, blocks = _looked_ahead(blocks)
    ahead = parser.split(text)
    header, names = _names(rows, options, stream, rejects, ahead)
    check_columns(stream.file.name, wanted, names)
    again = {name: cell for name, cell in header.items() if name in wanted}
    parser.learn([*rows.fields, *ahead], len(names))
    for block in chain([head], blocks):
        plain, lines = without_comments(block, options.comment)
        ready = block is not head and not parser.is_open
        columns = clean_columns(plain, separator, names, wanted, quoting=quoting) if ready else None
        if columns is not None:
            yield _without_header(Records(lines, columns), again, rejects)
            continue
        rows = parser.rows(block) if block is not head else rows
        if block.damaged:
            rows = _decoded(rows, options, stream.encoding, rejects)
        if rows.fields:
            found = _columns(_full_width(rows, len(names), rejects), names, wanted)
            yield _without_header(found, again, rejects)


def _with_head_apart(blocks: Iterator[Block]) -> Iterator[Block]:
    """Give the first line a block of its own: a header in quotes must not make its whole block slow."""
    for block in islice(blocks, 1):
        head, newline, rest = block.text.partition("\n")
        yield replace(block, text=head, ends=block.ends and not newline)
        if newline:
            yield replace(block, first=block.first + 1, text=rest)
    yield from blocks


def _first_rows(blocks: Iterator[Block], parser: RowParser, stream: Utf8Stream) -> tuple[Block, Rows]:
    for block in blocks:
        rows = parser.rows(block)
        if rows.fields:
            return block, rows
    raise SourceError(f"{stream.file.name} is empty; correct the path in the source section")


def _looked_ahead(blocks: Iterator[Block]) -> tuple[str, Iterator[Block]]:
    """Return the next 2,000 lines (1 MiB at most), whole ones, and the blocks with those that were read for them."""
    held: list[Block] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block.text) + 1
        if size > _AHEAD_CHARS:
            break
    text = "\n".join(block.text for block in held)
    whole = text if len(text) <= _AHEAD_CHARS else text[:_AHEAD_CHARS].rpartition("\n")[0]
    return "\n".join(whole.split("\n")[:_AHEAD_LINES]), chain(held, blocks)


def _without_header(records: Records, header: Mapping[str, str], rejects: FileRejects) -> Records:
    """Leave out the rows that repeat the header word for word: files that were put together have it in between."""
    if not header:
        return records
    (first, cell), *others = header.items()
    same = to_mask(pc.equal(records.columns[first], cell))
    for name, other in others if same.any() else ():
        same &= to_mask(pc.equal(records.columns[name], other))
    if not same.any():
        return records
    for line in records.lines[same]:
        rejects.read(1)
        rejects.leave_out(int(line), HEADER_AGAIN, cell)
    kept = pa.array(~same)
    return Records(records.lines[~same], {name: column.filter(kept) for name, column in records.columns.items()})


class RowParser:
    """Parses blocks one after the other; an open quote carries its lines over to the next block."""

    def __init__(self, separator: str, *, quoting: bool, rejects: FileRejects, comment: str | None = None) -> None:
        self.width = 0
        self._separator = separator
        self._quoting = quoting
        self._rejects = rejects
        self._comment = comment
        self._shape: RowShape | None = None
        self._open: Block | None = None

    @property
    def is_open(self) -> bool:
        """Whether a record goes on in the next block."""
        return self._open is not None

    def rows(self, block: Block) -> Rows:
        """Return the rows that end in this block; blank lines are none."""
        if self._open is not None:
            text = f"{self._open.text}\n{block.text}" if block.text or not block.ends else self._open.text
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
        filled = [
            (number, line) for number, line in zip(numbers, lines, strict=True) if line and not self._is_comment(line)
        ]
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
            if self._is_comment(lines[start]):
                begin, reader = start + 1, self._reader(lines, start + 1)
                continue
            if again > MOST_READ_AGAIN:
                begin, reader = start, self._reader(lines[start : start + 1], 0)
            try:
                fields: list[str] = next(reader, [])
                wrong = self._swallowed(fields, lines[start : begin + reader.line_num])
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

    def learn(self, rows: Sequence[list[str]], width: int) -> None:
        """Take what rows of the file look like, and their number of fields."""
        self.width = width
        self._shape = RowShape(rows[:_KNOWN_ROWS], self._separator, width)

    def _swallowed(self, fields: list[str], lines: list[str]) -> str:
        """Tell why a record of these lines is none; empty when nothing is wrong."""
        if len(lines) < 2 or not self.width:
            return ""
        if len(fields) != self.width:
            return _width_reason(self.width)
        joins = self._shape is not None and self._shape.joins([line.rstrip("\r\n") for line in lines])
        return STRAY_QUOTES if joins else ""

    def split(self, text: str) -> list[list[str]]:
        """Return the rows of a text as far as they can be told; nothing is rejected."""
        lines = [line for line in text.split("\n") if line and not self._is_comment(line)]
        if not self._quoting:
            return [line.removesuffix("\r").split(self._separator) for line in lines]
        reader = csv.reader(lines, delimiter=self._separator)
        try:
            return [row for row in reader if row]
        except csv.Error:
            return []

    def _is_comment(self, line: str) -> bool:
        return self._comment is not None and line.startswith(self._comment)

    def _stays_open(self, block: Block, lines: list[str], start: int) -> bool:
        text = "".join(lines[start:])
        if block.ends or len(text) > LINE_LIMIT:
            return False
        self._open = Block(block.first + start, text.removesuffix("\n"), block.damaged, ends=False)
        return True

    def _reject(self, line: int, reason: str) -> None:
        self._rejects.read(1)
        self._rejects.add(line, reason)


def _names(
    rows: Rows, options: FileFormat, stream: Utf8Stream, rejects: FileRejects, ahead: Sequence[list[str]]
) -> tuple[dict[str, str], list[str]]:
    """Take the header off the rows, or name the columns by position.

    Returns
    -------
    tuple
        What the header says of each column that it names, by the column's name; and the names of all columns.
    """
    if rejects.first_bad is not None and rejects.first_bad < rows.lines[0]:
        raise SourceError(f"the first line of {stream.file.name} can't be read, and it tells the columns; mend it")
    if UNDECODED.search("\n".join(rows.fields[0])):
        raise SourceError(f"the first line of {stream.file.name} is {undecoded_reason(options, stream.encoding)}")
    if not options.header:
        return {}, [*options.names] or [str(position) for position in range(len(rows.fields[0]))]
    rows.lines.pop(0)
    header = rows.fields.pop(0)
    names = table_names(header, [*rows.fields, *ahead])
    first = 1 if names[0] == ROW_NAMES and len(names) > len(header) else 0
    return dict(zip(names[first:], header, strict=False)), names


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
