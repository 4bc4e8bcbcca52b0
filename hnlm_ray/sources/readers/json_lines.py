"""Records of a JSON-lines file: one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat
from hnlm_ray.sources.readers.delimited import UNDECODED, undecoded_reason
from hnlm_ray.sources.readers.records import Records, check_columns
from hnlm_ray.sources.readers.rejects import FileRejects
from hnlm_ray.sources.readers.streams import Block, Utf8Stream, line_blocks

Objects = tuple[list[int], list[dict[str, Any]]]
"""Physical lines, and the object that stands on each."""
Parse = Callable[[str], object]
_NO_IDS: Final = frozenset({bool, list, dict})


def json_records(
    stream: Utf8Stream,
    options: FileFormat,
    wanted: Sequence[str],
    rejects: FileRejects,
    optional: Sequence[str] = (),
) -> Iterator[Records]:
    """Yield the wanted and optional keys as text, a block of lines at a time; a key that a line lacks is null.

    Raises
    ------
    SourceError
        When the file is empty, or no line of its first block has a wanted key.
    """
    columns = getattr(options, "columns", None)
    ids = [name for kind in ("user", "item") if (name := getattr(columns, kind, None))]
    for found in json_objects(stream, options, wanted, rejects):
        lines, objects = with_plain_ids(*found, ids, rejects)
        if objects:
            yield text_records(lines, objects, [*wanted, *optional], rejects)


def json_objects(
    stream: Utf8Stream, options: FileFormat, wanted: Sequence[str], rejects: FileRejects, parse: Parse = json.loads
) -> Iterator[Objects]:
    """Yield the objects of a file, a block of lines at a time.

    Parameters
    ----------
    wanted
        Keys that some line of the first block must have.
    parse
        Reads one line; it raises ValueError or RecursionError for what is none of its own.

    Raises
    ------
    SourceError
        When the file is empty, or no line of its first block has a wanted key.
    """
    undecoded = undecoded_reason(options, stream.encoding)
    checked = False
    for block in line_blocks(stream, rejects):
        lines, objects = _objects(block, undecoded, rejects, parse)
        rejects.check_early()
        if objects and not checked:
            check_columns(stream.file.name, wanted, sorted({str(key) for found in objects for key in found}))
            checked = True
        if objects:
            yield lines, objects
    if not rejects.lines:
        raise SourceError(f"{stream.file.name} is empty; correct the path in the source section")


def plain_text(value: object) -> str | None:
    """Write a JSON value as text: lists joined by commas, objects as JSON, whole floats without '.0'."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(text for part in value if (text := plain_text(part)))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return json.dumps(value, ensure_ascii=False, default=str)  # Parquet has times and bytes in its objects


def _objects(block: Block, undecoded: str, rejects: FileRejects, parse: Parse) -> Objects:
    lines: list[int] = []
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(block.text.split("\n"), start=block.first):
        if not line or line.isspace():
            continue
        value = _parse(line, number, undecoded if block.damaged else "", rejects, parse)
        if value is not None:
            lines.append(number)
            objects.append(value)
    return lines, objects


def _parse(line: str, number: int, undecoded: str, rejects: FileRejects, parse: Parse) -> dict[str, Any] | None:
    found = UNDECODED.search(line) if undecoded else None
    if found:
        _reject(number, undecoded, f"byte 0x{ord(found.group()) - 0xDC00:02X}", rejects)
        return None
    try:
        value = parse(line)
    except (ValueError, RecursionError):
        _reject(number, "line is not JSON", line, rejects)
        return None
    if isinstance(value, dict):
        return value
    _reject(number, "line is not a JSON object", line, rejects)
    return None


def _reject(number: int, reason: str, value: str, rejects: FileRejects) -> None:
    rejects.read(1)
    rejects.add(number, reason, value)


def with_plain_ids(
    lines: list[int], objects: list[dict[str, Any]], ids: Iterable[str], rejects: FileRejects
) -> Objects:
    """Reject the lines whose ids are lists, objects or truth values: their text would be no id of anything."""
    for name in ids:
        odd = {row for row, found in enumerate(objects) if type(found.get(name)) in _NO_IDS}
        for row in sorted(odd):
            _reject(lines[row], f"{name} is not text or a number", type(objects[row][name]).__name__, rejects)
        lines = [line for row, line in enumerate(lines) if row not in odd]
        objects = [found for row, found in enumerate(objects) if row not in odd]
    return lines, objects


def text_records(
    lines: list[int], objects: Sequence[dict[str, Any]], wanted: Sequence[str], rejects: FileRejects
) -> Records:
    """Write the wanted keys of some objects as columns of text; an object that has no such text is rejected."""
    try:
        columns = _texts(objects, wanted)
    except (UnicodeEncodeError, RecursionError):
        whole = [row for row, found in enumerate(objects) if _is_text(lines[row], found, wanted, rejects)]
        lines = [lines[row] for row in whole]
        columns = _texts([objects[row] for row in whole], wanted)
    return Records(np.array(lines, dtype=np.int64), columns)


def _texts(objects: Sequence[dict[str, Any]], wanted: Sequence[str]) -> dict[str, pa.Array]:
    return {name: pa.array([plain_text(found.get(name)) for found in objects], pa.string()) for name in wanted}


def _is_text(line: int, found: dict[str, Any], wanted: Sequence[str], rejects: FileRejects) -> bool:
    """Reject a line whose escapes give half a character (a lone surrogate is no text), or with endless nesting."""
    try:
        "".join(plain_text(found.get(name)) or "" for name in wanted).encode()
    except UnicodeEncodeError as error:
        _reject(line, "escape gives half a character", ascii(error.object[error.start]), rejects)
        return False
    except RecursionError:
        _reject(line, "lists are nested too deep", "", rejects)
        return False
    return True
