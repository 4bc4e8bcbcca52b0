"""Records of a JSON-lines file: one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hnlm_ray.base.errors import SourceError
from hnlm_ray.config import FileFormat
from hnlm_ray.sources.readers.literals import parse_line
from hnlm_ray.sources.readers.records import Records, check_columns, plain_text
from hnlm_ray.sources.readers.rejects import UNDECODED, FileRejects, undecoded_reason
from hnlm_ray.sources.readers.streams import Block, Utf8Stream, below_preamble, line_blocks, without_comments

Objects = tuple[list[int], list[dict[str, Any]]]
"""Physical lines, and the object that stands on each."""
Parse = Callable[[str], object]
_NEITHER: Final = "line is not JSON, nor a Python literal"
_NO_DICT: Final = "line is neither a JSON object nor a Python dict"
_NO_IDS: Final = frozenset({bool, list, dict})


def json_records(
    stream: Utf8Stream,
    options: FileFormat,
    wanted: Sequence[str],
    rejects: FileRejects,
    optional: Sequence[str] = (),
) -> Iterator[Records]:
    """Yield the wanted and optional keys as text, a block of lines at a time; a key that a line lacks is null.

    With the format 'literals' a line may be a Python dict, as ``print`` writes it.

    Raises
    ------
    SourceError
        When the file is empty, or no line of its first block has a wanted key.
    """
    columns = getattr(options, "columns", None)
    ids = [name for kind in ("user", "item") if (name := getattr(columns, kind, None))]
    parse = parse_line if options.format == "literals" else json.loads
    for found in json_objects(stream, options, wanted, rejects, parse):
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
    for whole in below_preamble(line_blocks(stream, rejects), options):
        block, numbers = without_comments(whole, options.comment)
        lines, objects = _objects(block, numbers.tolist(), undecoded, rejects, parse)
        rejects.check_early()
        if objects and not checked:
            check_columns(stream.file.name, wanted, sorted({str(key) for found in objects for key in found}))
            checked = True
        if objects:
            yield lines, objects
    if not rejects.lines:
        raise SourceError(f"{stream.file.name} is empty; correct the path in the source section")


def _objects(block: Block, numbers: list[int], undecoded: str, rejects: FileRejects, parse: Parse) -> Objects:
    lines: list[int] = []
    objects: list[dict[str, Any]] = []
    for number, line in zip(numbers, block.text.split("\n"), strict=False):
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
        _reject(number, "line is not JSON" if parse is json.loads else _NEITHER, line, rejects)
        return None
    if isinstance(value, dict):
        return value
    _reject(number, "line is not a JSON object" if parse is json.loads else _NO_DICT, line, rejects)
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
