"""The first rows of one file, read by the readers that will read all of it.

What only the user can tell: two readings of a file that are both plausible.

What the user says about the files, instead of being asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import FileFormat
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.dialect import Dialect, Header, dialect_of, header_of, json_keys, split_rows
from hnlm_ray.discover.files.heads import Head, opened
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.sources.readers.delimited import delimited_records
from hnlm_ray.sources.readers.json_lines import json_records
from hnlm_ray.sources.readers.parquet import parquet_records
from hnlm_ray.sources.readers.records import Records, table_names
from hnlm_ray.sources.readers.rejects import FileRejects, Rejects
from hnlm_ray.sources.rows import values


@dataclass(frozen=True)
class Question:
    """One open point.

    Attributes
    ----------
    text
        The question with its evidence, one line.
    choices
        The readings, the likelier first.
    option
        The option of ``hnlm init`` that answers it; where there is none, "--yes, or " and what decides otherwise.
    """

    text: str
    choices: tuple[str, ...]
    option: str


MENDED: Final = "--yes, or mend the file"
"""Answers a question whose other reading is that the file is wrong."""
Ask = Callable[[Question], int]
"""Answers a question with the position of a choice."""


MOST_BLOCKS = 4
MOST_ROWS = 250_000
MOST_COLUMNS = 300


@dataclass(frozen=True)
class Table:
    """A sample of one file.

    Attributes
    ----------
    place
        Where the file lies.
    options
        What ``source`` must say to read it, by the names of :class:`hnlm_ray.config.FileFormat`.
    columns
        The columns that have a name of their own.
    complete
        The sample is the whole file.
    told
        Why it is read so, by option.
    warnings
        What a reader of the file would not expect, a sentence each.
    """

    place: Place
    options: dict[str, Any]
    columns: tuple[Column, ...]
    complete: bool
    told: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the sample."""
        return self.columns[0].rows if self.columns else 0

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return one column."""
        return next(column for column in self.columns if column.name == name)


def read_table(place: Place, head: Head | None, ask: Ask, *, header: bool | None = None) -> Table:
    """Tell how a file is written and read its first rows.

    Raises
    ------
    InputError
        When no table can be made out.
    """
    if head is None:
        return _parquet(place)
    dialect = dialect_of(head.text)
    if dialect is None:
        raise InputError(_no_columns(place, head))
    if dialect.kind == "json":
        raise InputError(
            f"{place.shown} is one JSON document, but a JSON object a line is needed; convert it, for example with "
            "jq -c '.[]'"
        )
    options, told = _layout(place, head, dialect)
    if dialect.kind != "csv":
        return _sampled(place, options, told, json_keys(head.text))
    rows = split_rows(head.text, dialect)
    if dialect.names:
        found = Header(there=False, sure=True, told="the comment above the rows holds them")
    else:
        found = _header(place, rows, ask) if header is None else Header(header, sure=True, told="as you said")
    names = _names(rows, dialect, there=found.there)
    if not found.there:
        options |= {"header": False, "names": names}
    told["header"] = told["names"] = found.told
    return _sampled(place, options, told, names, _warnings(place, head, dialect, names))


def _names(rows: list[list[str]], dialect: Dialect, *, there: bool) -> list[str]:
    """Return the columns' names as the readers call them: from the file, its comment, or by position."""
    if dialect.names:
        return [*dialect.names]
    if not there:
        return [f"column_{at}" for at in range(1, dialect.width + 1)]
    return table_names(rows[0], rows[1:])


def _warnings(place: Place, head: Head, dialect: Dialect, names: list[str]) -> tuple[str, ...]:
    found = []
    if dialect.stray:
        lines = sum(line.count('"') % 2 for line in head.text.split("\n"))
        found.append(
            f"{place.shown}: {lines} of the first lines have a single quotation mark, which is read as an ordinary "
            "character"
        )
    if twice := [name for name in names if name.rpartition(".")[2].isdecimal() and name.rpartition(".")[0] in names]:
        found.append(f"{place.shown}: a name stands twice in the first line; the later column is called {twice[0]}")
    return tuple(found)


def _no_columns(place: Place, head: Head) -> str:
    first = head.text.lstrip()[:1]
    if first in {"{", "["}:
        return (
            f"{place.shown} starts with {first} but its lines are neither JSON nor Python literals; write an object a "
            "line"
        )
    return f"{place.shown} has no columns: no separator splits its lines (tried , ; tab | :: and others)"


def _header(place: Place, rows: list[list[str]], ask: Ask) -> Header:
    found = header_of(rows)
    if found.sure:
        return found
    shown = ", ".join(repr(cell[:30]) for cell in rows[0][:6])
    choices = ("names of columns", "data like the other lines")
    order = choices if found.there else choices[::-1]
    answer = order[ask(Question(f"is the first line of {place.shown} ({shown}) names or data?", order, "--header"))]
    return replace(found, there=answer == choices[0], told="by your answer, or the likelier reading")


def _layout(place: Place, head: Head, dialect: Dialect) -> tuple[dict[str, Any], dict[str, str]]:
    options: dict[str, Any] = {"format": dialect.kind}
    told = {"format": f"{dialect.share:.1%} of the first lines are alike"}
    if dialect.separator is not None:
        options["separator"] = dialect.separator
        told["separator"] = f"splits {dialect.share:.1%} of the first lines into {dialect.width} columns"
        if not dialect.quoting:
            options["quoting"] = False
            told["quoting"] = 'with " as an ordinary character more lines have all columns'
    if dialect.skipped:
        options["skip_lines"] = dialect.skipped
        told["skip_lines"] = "lines above the table that are no part of it"
    if dialect.comment is not None:
        options["comment"] = dialect.comment
        told["comment"] = "what the lines above the table start with"
    if head.encoding != "utf-8":
        options["encoding"] = head.encoding
        told["encoding"] = "its bytes are not UTF-8"
    return options | _packing(place), told


def _packing(place: Place) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if place.compression != "none" or place.path.lower().endswith((".gz", ".gzip", ".bz2", ".xz", ".zip")):
        options["compression"] = place.compression
    if place.member is not None:
        options["member"] = place.member
    return options


def _sampled(
    place: Place, options: dict[str, Any], told: dict[str, str], names: list[str], warnings: tuple[str, ...] = ()
) -> Table:
    """Read up to four blocks of 4 MiB."""
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{place.shown} has {len(names)} columns, more than {MOST_COLUMNS}; keep those that matter")
    wanted = [name for name in dict.fromkeys(names) if name and names.count(name) == 1]
    separator = options.get("separator", ",")
    account = Rejects().file(place.shown, 1.0)
    with opened(place, options) as stream:
        form = FileFormat(path=place.path, **_without_packing(options))
        blocks = (
            delimited_records(stream, form, separator, wanted, account)
            if options["format"] == "csv"
            else json_records(stream, form, wanted, account)
        )
        columns, complete = _collect(blocks, wanted, account)
    return Table(place, options, columns, complete, told, warnings)


def _without_packing(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in {"compression", "member"}}


def _parquet(place: Place) -> Table:
    file = place.file()
    try:
        with file.filesystem.open_input_file(file.path) as raw:
            names = list(parquet.ParquetFile(raw).schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.shown} can't be read as Parquet ({error}); fetch it again") from error
    wanted = [name for name in names if names.count(name) == 1][:MOST_COLUMNS]
    columns, complete = _collect(parquet_records(file, wanted), wanted)
    return Table(place, {"format": "parquet"}, columns, complete, {"format": "the file says so"})


def _collect(
    blocks: Iterator[Records], wanted: list[str], account: FileRejects | None = None
) -> tuple[tuple[Column, ...], bool]:
    held: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    timed: set[str] = set()
    rows, complete = 0, True
    for count, block in enumerate(blocks, start=1):
        if account is not None:
            account.read(len(block.lines))
        for name in wanted:
            kind = block.columns[name].type
            timed |= {name} if pa.types.is_temporal(kind) else set()
            held[name].append(values.texts(block.columns[name]).cast(pa.string()))
        rows += len(block.lines)
        if rows >= MOST_ROWS or count >= MOST_BLOCKS:
            complete = False
            break
    joined = {name: pa.concat_arrays(parts) if parts else pa.array([], pa.string()) for name, parts in held.items()}
    return tuple(Column(name, column, name in timed) for name, column in joined.items()), complete


NONE: Final = "none"
"""What the user names as a column when there is to be none."""
FOLDS: Final = ("blanks", "decimals", "zeros", "case", "unicode")


def listed(text: str | None) -> tuple[str, ...]:
    """Split what an option lists with commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass(frozen=True)
class Overrides:
    """Columns by role, and how they are written; None: find out."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    title: str | None = None
    time_format: str | None = None
    header: bool | None = None
    events: tuple[str, ...] = ()
    best: str | None = None
    fold_ids: tuple[str, ...] = ()
    interactions: str | None = None
    split: str | None = None

    @property
    def of_interactions(self) -> dict[str, str]:
        """The columns that the file of interactions must have, by option."""
        named = {"--user": self.user, "--item": self.item, "--rating": self.rating, "--time": self.time}
        return {option: column for option, column in named.items() if column not in {None, NONE}}

    def fits(self, table: Table) -> bool:
        """Tell whether a file has every column that was named for the interactions."""
        return set(self.of_interactions.values()) <= set(table.names)

    def check(self, tables: Sequence[Table]) -> None:
        """Raise InputError for an unknown fold, and when no file has a named column, or the interactions' together."""
        odd = [fold for fold in self.fold_ids if fold not in FOLDS]
        if odd:
            raise InputError(f"--fold-ids {odd[0]!r} is unknown; there are {', '.join(FOLDS)}")
        known = sorted({name for table in tables for name in table.names})
        for option, column in (self.of_interactions | ({"--title": self.title} if self.title else {})).items():
            if column not in known:
                close = difflib.get_close_matches(column, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known[:30]))}"
                raise InputError(f"{option} {column!r} is a column of none of the files; {hint}")
        if not any(self.fits(table) for table in tables):
            named = ", ".join(f"{option} {column!r}" for option, column in self.of_interactions.items())
            raise InputError(f"no file has all of {named}: they are columns of the one file of interactions")
