"""Python literals that files hold: lines of dicts (Amazon's metadata of 2014), and lists in cells of a CSV file.

They come from anyone, so nothing is evaluated: a text is matched against the tokens of plain literals and its
nesting is bounded before :func:`ast.literal_eval` sees it, whose parser could exhaust the stack.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from itertools import accumulate
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.sources.readers.records import plain_text

MOST_NESTED: Final = 20
LIST_CHARS: Final = 10_000
"""Longest cell that is tried as a list."""

_VALUE: Final = (
    r"""(?:(?<!\w)[uU])?(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+\")"""
    r"|(?<![\w.])-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?(?![\w.])|\b(?:None|True|False)\b"
)
_VALUES: Final = re.compile(_VALUE)
# Possessive: a text that is none is given up at its first wrong character, so the match is linear.
_LITERAL: Final = re.compile(rf"(?:{_VALUE}|[\[\]{{}},:\s])*+")
_STRINGS: Final = re.compile(r"""(?:(?<!\w)[uU])?(?:'([^']*)'|("[^"]*"))""")
_LISTED: Final = r"(?s)^\s*\[.*\]\s*$"
_ADJOINED: Final = re.compile(r"[0\]}]\s*[\[{0]")  # 1 -1 -1, 'a'[0][0]: no literals, and deep for the parser
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def parse_literal(text: str) -> object:
    """Read a Python literal of texts, numbers, None, truth values, lists and dicts.

    Raises
    ------
    ValueError
        When the text is anything else, or nested more than 20 deep.
    """
    bare = _VALUES.sub("0", text) if _LITERAL.fullmatch(text) else ""
    if not bare or _ADJOINED.search(bare):
        raise ValueError("no Python literal")
    if max(accumulate(_STEPS.get(char, 0) for char in bare)) > MOST_NESTED:
        raise ValueError("nested too deep")
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            value: object = ast.literal_eval(text.strip())
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("no Python literal") from error
    return value


def parse_line(line: str) -> object:
    """Read a line that is JSON or, as in 2014, a Python literal; errors as :func:`parse_literal`.

    Without escapes only the quotes tell most literals from JSON, which is read many times faster.
    """
    requoted = [] if "\\" in line else [_STRINGS.sub(_requoted, line)]
    for text in (line, *requoted):
        try:
            return json.loads(text)
        except ValueError:
            continue
    return parse_literal(line)


def _requoted(string: re.Match[str]) -> str:
    return string[2] if string[1] is None else '"' + string[1].replace('"', '\\"') + '"'


def lists_as_text(column: pa.Array) -> pa.Array:
    """Write cells such as ``['Pork', 'Rich Fish']`` or ``["a", "b"]`` as 'Pork, Rich Fish'; others stay.

    An empty list is null. A cell of more than 10,000 characters is not tried.
    """
    listed = pc.fill_null(pc.match_substring_regex(column, _LISTED), False)  # noqa: FBT003
    short = pc.fill_null(pc.less_equal(pc.utf8_length(column), LIST_CHARS), False)  # noqa: FBT003
    wanted = pc.and_(listed, short)
    if not pc.any(wanted).as_py():
        return column
    coded = column.filter(wanted).dictionary_encode()
    found = pa.array([_list_text(cell) for cell in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(column, wanted, found.take(coded.indices))


def _list(cell: str) -> object:
    try:
        return json.loads(cell)
    except ValueError:
        return parse_literal(cell)


def _list_text(cell: str) -> str | None:
    try:
        parts = _list(cell)
        text = plain_text(parts) or None
        (text or "").encode()
    except (ValueError, RecursionError):
        return cell
    return text if isinstance(parts, list) else cell
