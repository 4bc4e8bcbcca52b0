"""Text files of whole numbers: read at once, and a fault is told by its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.positives import MOST

LARGEST: Final = MOST - 1
_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_ALLOWED: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789 \t\r\n", np.uint8))


@dataclass(frozen=True, eq=False)
class NumberLines:
    """Whole numbers from 0 on, parted by blanks, in lines.

    ``values`` int64[numbers]; ``starts`` int64[numbers] is the byte of each; ``first`` int64[lines that have one] says
    which number begins a line. ``form`` is how a line is written, for errors.
    """

    path: Path
    form: str
    raw: bytes
    starts: NDArray[np.int64]
    values: NDArray[np.int64]
    first: NDArray[np.int64]

    def reject(self, which: int, problem: str) -> NoReturn:
        """Raise InputError with the line of a number."""
        _reject(self.path, self.raw, int(self.starts[which]), problem)


def read_number_lines(path: Path, form: str) -> NumberLines:
    """Read a file; InputError, with the line, for anything but numbers that can be an index."""
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): check the path and its rights") from error
    characters = np.frombuffer(raw, np.uint8)
    allowed = _ALLOWED[characters]
    if not allowed.all():
        _reject_character(path, raw, int(allowed.argmin()), form)
    starts = _starts(characters)
    # Only digits and blanks are left, so that this can't stop early; what int64 can't hold becomes its largest value.
    values = np.fromstring(raw, dtype=np.int64, sep=" ")
    found = NumberLines(path, form, raw, starts, values, _first_of_lines(characters, starts))
    if len(values) and values.max() > LARGEST:
        _reject_large(found, int((values > LARGEST).argmax()))
    return found


def _starts(characters: NDArray[np.uint8]) -> NDArray[np.int64]:
    digit = _DIGITS[characters]
    follows = np.zeros_like(digit)
    follows[1:] = digit[:-1]
    return np.flatnonzero(digit & ~follows)


def _first_of_lines(characters: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.flatnonzero(characters == ord("\n"))
    first = np.searchsorted(starts, np.concatenate([[0], ends + 1]))
    return first[np.diff(first, append=len(starts)) > 0]


def _reject(path: Path, raw: bytes, position: int, problem: str) -> NoReturn:
    line = raw.count(b"\n", 0, position) + 1
    raise InputError(f"{path}, line {line}: {problem}")


def _reject_character(path: Path, raw: bytes, position: int, form: str) -> None:
    start = max(raw.rfind(b"\n", 0, position) + 1, position - 40)
    words = raw[start : position + 40].decode("utf-8", "replace").splitlines()[0].split()
    wrong = next((word for word in words if not (word.isascii() and word.isdigit())), "?")
    _reject(path, raw, position, f"{wrong[:40]!r} is no whole number from 0 on; write `{form}`")


def _reject_large(found: NumberLines, which: int) -> None:
    start = int(found.starts[which])
    written = re.match(rb"\d*", found.raw[start : start + 40])
    number = written.group().decode() if written else ""
    found.reject(which, f"{number} is above {LARGEST}, the largest index; number users and items from 0 on")
