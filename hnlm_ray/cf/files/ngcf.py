"""The text format of NGCF and LightGCN: a line holds a user and all their items, `user item item ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hnlm_ray.cf.data import CFData
from hnlm_ray.cf.files.assembling import Pairs, assemble
from hnlm_ray.errors import InputError

SPLITS: Final = {
    "train": ("train.txt",),
    "validation": ("validation.txt", "valid.txt", "val.txt"),
    "test": ("test.txt",),
}
MOST: Final = 2**31 - 1
_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_SPACES: Final = np.isin(np.arange(256), np.frombuffer(b" \t\r\n", np.uint8))


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
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): check the path and its rights") from error
    text = np.frombuffer(raw, np.uint8)
    digit = _DIGITS[text]
    _reject_other_characters(path, raw, text, digit | _SPACES[text])
    starts = np.flatnonzero(digit & ~np.concatenate([[False], digit[:-1]]))
    lengths = np.flatnonzero(digit & ~np.concatenate([digit[1:], [False]])) - starts + 1
    line = np.searchsorted(np.flatnonzero(text == ord("\n")), starts) + 1
    _reject_large(path, raw, starts, lengths, line)
    values = np.array(raw.split()).astype(np.int64) if len(starts) else np.zeros(0, np.int64)
    if len(values) and values.max() > MOST:
        _reject_number(path, str(values.max()), int(line[values.argmax()]))
    is_user = np.diff(line, prepend=0) > 0
    _reject_repeated_users(path, values[is_user], line[is_user])
    users = (
        np.repeat(values[is_user], np.diff(np.append(np.flatnonzero(is_user), len(values)))) if len(values) else values
    )
    pairs = users[~is_user], values[~is_user]
    _reject_repeated_pairs(path, *pairs, line[~is_user])
    return Pairs(*pairs, users=int(users.max()) + 1 if len(users) else 0)


def _reject_other_characters(path: Path, raw: bytes, text: NDArray[np.uint8], allowed: NDArray[np.bool_]) -> None:
    if allowed.all():
        return
    first = int(allowed.argmin())
    start, end = raw.rfind(b"\n", 0, first) + 1, raw.find(b"\n", first)
    words = raw[start : end if end >= 0 else len(raw)][: first - start + 40].decode("utf-8", "replace").split()
    wrong = next((word for word in words if not (word.isascii() and word.isdigit())), chr(text[first]))
    line = raw.count(b"\n", 0, first) + 1
    raise InputError(f"{path}, line {line}: {wrong[:40]!r} is no whole number from 0 on; write `user item item ...`")


def _reject_large(
    path: Path, raw: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64], line: NDArray[np.int64]
) -> None:
    if (long := lengths > len(str(MOST))).any():
        first = int(long.argmax())
        _reject_number(path, raw[starts[first] :][: min(int(lengths[first]), 40)].decode(), int(line[first]))


def _reject_number(path: Path, number: str, line: int) -> None:
    raise InputError(f"{path}, line {line}: {number} is above {MOST}, the largest index; number users and items from 0")


def _reject_repeated_users(path: Path, users: NDArray[np.int64], line: NDArray[np.int64]) -> None:
    order = np.argsort(users, kind="stable")
    again = np.flatnonzero(np.diff(users[order]) == 0)
    if len(again):
        at = order[again[0] + 1]
        raise InputError(
            f"{path}, line {line[at]}: user {users[at]} has a line above already; put all items on one line"
        )


def _reject_repeated_pairs(
    path: Path, users: NDArray[np.int64], items: NDArray[np.int64], line: NDArray[np.int64]
) -> None:
    order = np.lexsort((items, users))
    again = np.flatnonzero((np.diff(users[order]) == 0) & (np.diff(items[order]) == 0))
    if len(again):
        at = order[again[0] + 1]
        raise InputError(f"{path}, line {line[at]}: user {users[at]} has item {items[at]} twice; keep it once")
