"""The text format of NGCF and LightGCN: a line holds a user and all their items, `user item item ...`.

Text files of whole numbers: read at once, and a fault is told by its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.base.errors import InputError
from hnlm_ray.cf.data.cf_data import CFData
from hnlm_ray.cf.data.positives import MOST
from hnlm_ray.cf.files.assembling import Pairs, assemble

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


SPLITS: Final = {
    "train": ("train.txt",),
    "validation": ("validation.txt", "valid.txt", "val.txt"),
    "test": ("test.txt",),
}
FORM: Final = "user item item ..."


def read_ngcf(folder: str | Path) -> CFData:
    """Read ``train.txt`` and, where they are there, ``test.txt`` and ``validation.txt`` (or valid.txt, val.txt).

    Users and items are whole numbers from 0 on; how many there are follows from the largest. A line without items is a
    user without positives.

    Raises
    ------
    InputError
        No ``train.txt``; a file that can't be read; a line that is not whole numbers, repeats an item or a user,
        named by file and line; a pair in two splits; numbers so far apart that most would have no pair.
    """
    found: dict[str, Pairs] = {}
    for split, names in SPLITS.items():
        present = [name for name in names if (Path(folder) / name).is_file()]
        if len(present) > 1:
            raise InputError(f"{folder} holds {' and '.join(present)}: keep one of them")
        if present:
            found[split] = read_lines(Path(folder) / present[0])
    if "train" not in found:
        raise InputError(
            f"{folder} has no train.txt: name the folder with train.txt and test.txt, or use another format"
        )
    return assemble(found, str(folder))


def read_lines(path: Path) -> Pairs:
    """Return users and items, int64[pairs] each, of one file; InputError with file and line."""
    lines = read_number_lines(path, FORM)
    users = lines.values[lines.first]
    _reject_repeated_users(lines, users)
    is_item = np.ones(len(lines.values), np.bool_)
    is_item[lines.first] = False
    pairs = np.repeat(users, np.diff(lines.first, append=len(is_item)) - 1), lines.values[is_item]
    _reject_repeated_pairs(lines, *pairs, is_item)
    return Pairs(*pairs, users=int(users.max()) + 1 if len(users) else 0)


def _reject_repeated_users(lines: NumberLines, users: NDArray[np.int64]) -> None:
    order = np.argsort(users, kind="stable")
    again = np.flatnonzero(np.diff(users[order]) == 0)
    if len(again):
        at = order[again[0] + 1]
        lines.reject(int(lines.first[at]), f"user {users[at]} has a line above already; put all items on one line")


def _reject_repeated_pairs(
    lines: NumberLines, users: NDArray[np.int64], items: NDArray[np.int64], is_item: NDArray[np.bool_]
) -> None:
    keys = users << 32 | items
    ordered = np.sort(keys)
    twice = ordered[1:] == ordered[:-1]
    if twice.any():
        at = np.flatnonzero(keys == ordered[twice.argmax()])[1]
        which = int(np.flatnonzero(is_item)[at])
        lines.reject(which, f"user {users[at]} has item {items[at]} twice; keep it once")
