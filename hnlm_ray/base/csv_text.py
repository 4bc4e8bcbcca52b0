"""Text cells of CSV files that a spreadsheet must not take for formulas.

A spreadsheet computes a cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, quoted or not
(OWASP, CSV injection). Such a text gets a leading ``'``, plain numbers apart, and loses it when it is read again; texts
that have the ``'`` by themselves get another one, so that every text comes back as it was.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA: Final = r"^'*[=+\-@\t\r]"
_NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def escaped(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Return the texts as a CSV cell should have them, and how many of them are changed; nulls stay."""
    risky = _risky(texts)
    return pc.if_else(risky, pc.binary_join_element_wise("'", texts, ""), texts), int(pc.sum(risky).as_py() or 0)


def unescaped(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts that :func:`escaped` was given."""
    inner = pc.utf8_slice_codeunits(cells, 1)
    marked = pc.and_(pc.starts_with(cells, "'"), _risky(inner))
    return pc.if_else(marked, inner, cells)


def _risky(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    formula = pc.match_substring_regex(texts, _FORMULA)
    risky = pc.and_not(formula, pc.match_substring_regex(texts, _NUMBER))
    return pc.fill_null(risky, False)  # noqa: FBT003
