"""The first rows of one file, read by the readers that will read all of it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from hnlm_ray.config import FileFormat
from hnlm_ray.discover.columns import Column
from hnlm_ray.discover.dialect import Dialect, dialect_of, split_rows
from hnlm_ray.discover.encoding import encoding_of
from hnlm_ray.discover.header import Header, header_of
from hnlm_ray.discover.inputs import Place, refuse_binary
from hnlm_ray.discover.question import Ask, Question
from hnlm_ray.errors import InputError
from hnlm_ray.sources import values
from hnlm_ray.sources.delimited import delimited_records
from hnlm_ray.sources.json_lines import json_records
from hnlm_ray.sources.parquet import parquet_records
from hnlm_ray.sources.records import Records
from hnlm_ray.sources.rejects import Rejects
from hnlm_ray.sources.streams import Utf8Stream, open_utf8

HEAD_BYTES = 1 << 20
MOST_MIB = 15
MOST_BLOCKS = 4
MOST_ROWS = 250_000
MOST_COLUMNS = 300
_TEXT_LIKE = 0.02
"""Control characters in a text, at most: more of them is a binary file."""
_CONTROL: Final = bytes(set(range(32)) - {1, 9, 10, 12, 13, 27})


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
    """

    place: Place
    options: dict[str, Any]
    columns: tuple[Column, ...]
    complete: bool
    told: dict[str, str] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Head:
    """The first bytes of a file as text: whole lines, unless ``whole_lines`` is false."""

    text: str
    encoding: str
    whole_lines: bool


def read_head(place: Place) -> Head | None:
    """Read the first MiB of a file; None for Parquet.

    Raises
    ------
    InputError
        When it is no text, has no lines, or is damaged.
    """
    data, later = _first_bytes(place)
    if data.startswith(b"PAR1"):
        if place.compression != "none":
            raise InputError(f"{place.shown} is a packed Parquet file; unpack it and name the unpacked file")
        return None
    refuse_binary(place.shown, data)
    encoding = encoding_of(later or data)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff").replace("\r\n", "\n")
    control = sum(map(data.count, (bytes([one]) for one in _CONTROL))) if not encoding.startswith("utf-16") else 0
    if encoding[:6] not in {"utf-16", "utf-32"} and control > _TEXT_LIKE * len(data):
        raise InputError(f"{place.shown} is no text: a table is needed (CSV, TSV, JSON lines or Parquet)")
    return _lines(place, text, encoding, ended=len(data) < HEAD_BYTES)


def _lines(place: Place, text: str, encoding: str, *, ended: bool) -> Head:
    if not text.strip():
        raise InputError(f"{place.shown} is empty; name a file with data")
    if "\n" not in text and "\r" in text:
        raise InputError(f"{place.shown} ends its lines with carriage returns alone; write it with line feeds")
    if ended:
        return Head(text, encoding, whole_lines=True)
    kept, newline, _ = text.rpartition("\n")
    if not newline and not _json_document(text):
        raise InputError(f"the first line of {place.shown} is longer than 1 MiB; that is no table with a row a line")
    return Head(kept if newline else text, encoding, bool(newline))


def _json_document(text: str) -> bool:
    return text.lstrip()[:1] in {"[", "{"}


def _first_bytes(place: Place) -> tuple[bytes, bytes]:
    """Return the first MiB, and where that is ASCII some later lines that are not: they tell the encoding."""
    with _opened(place, {}) as stream:
        held = _filled(stream)
        if not held.isascii() or len(held) < HEAD_BYTES or held.startswith(b"PAR1"):
            return held, b""
        for _ in range(MOST_MIB):
            data = _filled(stream)
            if not data.isascii():
                return held, b"\n".join(line for line in data.split(b"\n")[1:-1] if not line.isascii())
            if len(data) < HEAD_BYTES:
                break
        return held, b""


def _filled(stream: Utf8Stream) -> bytes:
    held = b""
    while len(held) < HEAD_BYTES and (data := stream.read(HEAD_BYTES - len(held))):
        held += data
    return held


@contextmanager
def _opened(place: Place, options: dict[str, Any]) -> Iterator[Utf8Stream]:
    """Open a place; as UTF-8 the reader gives the bytes as they are."""
    told = {"path": place.path, "compression": place.compression, "member": place.member, **options}
    with open_utf8(place.file(), FileFormat(**told)) as stream:
        yield stream


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
        raise InputError(f"{place.shown} has no columns: no separator splits its lines (tried , ; tab | :: and others)")
    if dialect.kind == "json":
        raise InputError(
            f"{place.shown} is one JSON document, but a JSON object a line is needed; convert it, for example with "
            "jq -c '.[]'"
        )
    options, told = _layout(place, head, dialect)
    if dialect.kind == "jsonl":
        return _sampled(place, options, told, _json_keys(head.text))
    rows = split_rows(head.text, dialect)
    found = _header(place, rows, ask) if header is None else Header(header, sure=True, told="as you said")
    names = rows[0] if found.there else [f"column_{at}" for at in range(1, len(rows[0]) + 1)]
    if not found.there:
        options |= {"header": False, "names": names}
    told["header"] = told["names"] = found.told
    return _sampled(place, options, told, names)


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
    options: dict[str, Any] = {"format": "jsonl" if dialect.kind == "jsonl" else "csv"}
    told = {"format": f"{dialect.share:.1%} of the first lines are alike"}
    if dialect.separator is not None:
        options["separator"] = dialect.separator
        told["separator"] = f"splits {dialect.share:.1%} of the first lines into {dialect.width} columns"
        if not dialect.quoting:
            options["quoting"] = False
            told["quoting"] = 'with " as an ordinary character more lines have all columns'
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


def _json_keys(text: str) -> list[str]:
    import json

    keys: dict[str, None] = {}
    for line in text.split("\n")[:2000]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            keys |= dict.fromkeys(found)
    return list(keys)


def _sampled(place: Place, options: dict[str, Any], told: dict[str, str], names: list[str]) -> Table:
    """Read up to four blocks of 4 MiB; columns whose name is there twice can't be mapped, so they are left out."""
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{place.shown} has {len(names)} columns, more than {MOST_COLUMNS}; keep those that matter")
    wanted = [name for name in dict.fromkeys(names) if names.count(name) == 1]
    separator = options.get("separator", ",")
    account = Rejects().file(place.shown, 1.0)
    with _opened(place, options) as stream:
        form = FileFormat(path=place.path, **_without_packing(options))
        blocks = (
            json_records(stream, form, wanted, account)
            if options["format"] == "jsonl"
            else delimited_records(stream, form, separator, wanted, account)
        )
        columns, complete = _collect(blocks, wanted)
    return Table(place, options, columns, complete, told)


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


def _collect(blocks: Iterator[Records], wanted: list[str]) -> tuple[tuple[Column, ...], bool]:
    held: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    timed: set[str] = set()
    rows, complete = 0, True
    for count, block in enumerate(blocks, start=1):
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
